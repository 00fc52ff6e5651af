using Mesh.Model.Resources;
using Mesh.Model.Translate;

namespace Mesh.Tests.Model.Translate;

/// <summary>Istio: the server's sidecar asks its application again where that never saw the request; the mesh's inbound policy changes how often, and for what.</summary>
public sealed class InboundRetryTests
{
    [Theory]
    [InlineData("{}", false, "2 on reset-before-request")]
    [InlineData("defaultInboundHttpRetryPolicy: {attempts: 4}", false, "4 on reset-before-request")]
    [InlineData("defaultInboundHttpRetryPolicy: {attempts: 1, retryOn: '503,connect-failure,599', backoff: 5ms, perTryTimeout: 1s}", false, "1 on connect-failure,599,retriable-status-codes [503] from 5ms")]
    [InlineData("defaultInboundHttpRetryPolicy: {attempts: 0}", false, "none")]
    [InlineData("defaultInboundHttpRetryPolicy: {attempts: 4}", true, "none")]
    [InlineData("{}", true, "none")]
    public void Only_attempts_conditions_and_back_off_of_the_policy_count(string mesh, bool isGrpc, string expected)
    {
        var policy = Retries.Inbound(MeshConfig.Parse(mesh, "mesh", out _)!, isGrpc);

        Assert.Equal(expected, policy is null ? "none" : string.Concat(
            $"{policy.NumRetries} on {policy.RetryOn}", policy.RetriableStatusCodes.Count > 0 ? $" [{string.Join(',', policy.RetriableStatusCodes)}]" : "",
            policy.RetryBackOff is { } backoff ? $" from {backoff.BaseInterval.ToTimeSpan().TotalMilliseconds}ms" : "", policy.PerTryTimeout is null ? "" : " per try", policy.RetryHostPredicate.Count > 0 ? " elsewhere" : ""));
    }
}
