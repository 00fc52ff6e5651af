using System.Globalization;
using Mesh.Http;
using Mesh.Proxy.Config;

namespace Mesh.Proxy.Http.Filters;

/// <summary>Delays and failures by order: first the delay, then the answer, each with its own share of requests.</summary>
internal sealed class Fault(FaultFilter settings) : HttpFilter
{
    /// <summary>A delay longer than this is cut: a request held back keeps memory.</summary>
    private static readonly TimeSpan DelayMax = TimeSpan.FromHours(1);

    private static readonly HeaderName DelayHeader = HeaderName.TryParse("x-envoy-fault-delay-request")!;
    private static readonly HeaderName AbortHeader = HeaderName.TryParse("x-envoy-fault-abort-request")!;

    private int active;

    public override ValueTask<Failure?> OnRequestAsync(Exchange exchange)
    {
        if (exchange.Route is not { Action: Forward }) return default;

        var fault = exchange.OverrideFor(settings.Name) switch
        {
            FilterOverride.Fault given => given.Settings,
            FilterOverride.Off => null,
            _ => settings.Fault,
        };
        if (fault is null || !Applies(exchange, fault) || active >= fault.ActiveFaultsMax) return default;

        var delay = DelayOf(exchange, fault);
        if (delay > TimeSpan.Zero) return DelayedAsync(exchange, fault, delay < DelayMax ? delay : DelayMax);
        return new(AbortOf(exchange, fault));
    }

    private async ValueTask<Failure?> DelayedAsync(Exchange exchange, FaultSettings fault, TimeSpan delay)
    {
        exchange.Raise(ResponseFlag.DI);
        active++;
        await exchange.PauseAsync(delay);
        active--;
        return exchange.CutBy is null ? AbortOf(exchange, fault) : null;
    }

    private static bool Applies(Exchange exchange, FaultSettings fault)
    {
        if (fault.UpstreamCluster.Length > 0 && (exchange.Route?.Action is not Forward forward || Router.PickCluster(exchange, forward) != fault.UpstreamCluster)) return false;
        if (fault.Headers.IsEmpty) return true;

        foreach (var header in fault.Cell.Get(fault, static f => f.Headers.Select(match => new HeaderPredicate(match)).ToArray()))
            if (!header.IsMatch(exchange.Request)) return false;
        return true;
    }

    private static TimeSpan DelayOf(Exchange exchange, FaultSettings fault)
    {
        if (!fault.DelayShare.Includes((ulong)exchange.Random.NextInt64())) return TimeSpan.Zero;
        if (!fault.DelayFromHeaders) return fault.Delay;
        return Number(exchange, DelayHeader) is { } milliseconds ? TimeSpan.FromMilliseconds(milliseconds) : TimeSpan.Zero;
    }

    private static Failure? AbortOf(Exchange exchange, FaultSettings fault)
    {
        if (fault is { AbortHttpStatus: null, AbortGrpcStatus: null, AbortFromHeaders: false } || !fault.AbortShare.Includes((ulong)exchange.Random.NextInt64())) return null;

        var status = fault.AbortFromHeaders ? Number(exchange, AbortHeader) : fault.AbortHttpStatus;
        if (status is null && fault.AbortGrpcStatus is null || status is < 200 or > 599) return null;
        return new(FailureKind.FaultAbort, Side.Local)
        {
            // To a caller that does not speak gRPC a gRPC status is no error: it gets 200, as from Envoy.
            Answer = new(status ?? 200, "fault_filter_abort") { Body = "fault filter abort"u8.ToArray(), GrpcStatus = fault.AbortGrpcStatus, Flag = ResponseFlag.FI },
        };
    }

    private static int? Number(Exchange exchange, HeaderName name) =>
        exchange.Request.Headers.TryGet(name, out var text) && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;
}
