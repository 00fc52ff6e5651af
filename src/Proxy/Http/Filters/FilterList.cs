using System.Runtime.CompilerServices;
using Mesh.Net;

namespace Mesh.Proxy.Http.Filters;

/// <summary>The HTTP filters of one chain, in the order in which they were configured.</summary>
internal sealed class FilterList(params HttpFilter[] filters)
{
    public static readonly FilterList None = new();

    /// <summary>The filters of a chain made ready on one loop.</summary>
    public static FilterList For(Config.HttpConnectionSettings settings, Upstream.Worker worker) => new(FilterFactory.Create(settings, worker));

    /// <summary>Asks one after the other, until one of them answers.</summary>
    public ValueTask<Failure?> CheckAsync(Exchange exchange)
    {
        for (var i = 0; i < filters.Length; i++)
        {
            exchange.FiltersAsked = i + 1;
            var check = filters[i].OnRequestAsync(exchange);
            if (!check.IsCompletedSuccessfully) return GoOnAsync(exchange, check, i + 1);
            if (check.Result is { } refusal) return new(refusal);
        }
        return default;
    }

    /// <summary>The last configured sees the response first, as in Envoy; one that never saw the request has nothing to say.</summary>
    public void OnResponse(Exchange exchange)
    {
        for (var i = exchange.FiltersAsked - 1; i >= 0; i--) filters[i].OnResponse(exchange);
    }

    public void OnEnd(Exchange exchange)
    {
        for (var i = filters.Length - 1; i >= 0; i--) filters[i].OnEnd(exchange);
    }

    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    private async ValueTask<Failure?> GoOnAsync(Exchange exchange, ValueTask<Failure?> waiting, int next)
    {
        var refusal = await waiting;
        for (; refusal is null && next < filters.Length; next++)
        {
            exchange.FiltersAsked = next + 1;
            refusal = await filters[next].OnRequestAsync(exchange);
        }
        return refusal;
    }
}
