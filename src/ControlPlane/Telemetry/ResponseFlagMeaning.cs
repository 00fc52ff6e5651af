namespace Mesh.ControlPlane.Telemetry;

/// <summary>Envoy's response flags in plain words.</summary>
internal static class ResponseFlagMeaning
{
    private static readonly Dictionary<string, string> Words = new()
    {
        ["-"] = "",
        ["UH"] = "no healthy endpoint",
        ["UF"] = "could not connect to the endpoint",
        ["UO"] = "too many connections or requests (circuit breaker)",
        ["NR"] = "no route for this request",
        ["URX"] = "all retries used up",
        ["NC"] = "the route's destination does not exist",
        ["DT"] = "the request or connection took longer than allowed",
        ["DC"] = "the caller went away",
        ["LH"] = "the application failed its health check",
        ["UT"] = "the endpoint did not answer in time",
        ["LR"] = "reset by this proxy",
        ["UR"] = "reset by the endpoint",
        ["UC"] = "the endpoint closed the connection",
        ["DI"] = "delayed by a fault rule",
        ["FI"] = "aborted by a fault rule",
        ["RL"] = "rate limit exceeded",
        ["UAEX"] = "refused by the external authorization service",
        ["RLSE"] = "the rate limit service failed",
        ["IH"] = "a header has a value that is not allowed",
        ["SI"] = "the stream was idle for too long",
        ["DPE"] = "the caller broke the protocol",
        ["UPE"] = "the endpoint broke the protocol",
        ["UMSDR"] = "the request took longer than allowed",
        ["OM"] = "the proxy sheds load",
        ["DF"] = "the name could not be resolved",
        ["NFCF"] = "a filter's configuration is missing",
    };

    /// <param name="flags">Several with commas; a letter that is not known stands for itself.</param>
    public static string Of(string flags) => string.Join("; ", flags.Split(',').Select(flag => Words.GetValueOrDefault(flag, flag)).Where(words => words.Length > 0));
}
