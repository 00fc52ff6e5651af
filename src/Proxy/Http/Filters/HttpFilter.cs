namespace Mesh.Proxy.Http.Filters;

/// <summary>
/// Sees each exchange twice: when the request's head is there (its route already chosen, see <see cref="Exchange.Route"/>), and when the response's head is.
/// One instance per filter chain and loop. Loop thread only. On the hot path it must not allocate.
/// </summary>
internal abstract class HttpFilter
{
    /// <summary>May edit <see cref="Exchange.Request"/>. One that does not wait returns a completed task.</summary>
    /// <returns>Null: go on. A failure: answer the caller with it.</returns>
    public virtual ValueTask<Failure?> OnRequestAsync(Exchange exchange) => default;

    /// <summary>May edit <see cref="Exchange.Response"/>, whether it came from upstream or is an answer of our own. Not called for requests that got no answer.</summary>
    public virtual void OnResponse(Exchange exchange) { }

    /// <summary>After the last byte either way, exactly once, answered or not: for counting.</summary>
    public virtual void OnEnd(Exchange exchange) { }
}
