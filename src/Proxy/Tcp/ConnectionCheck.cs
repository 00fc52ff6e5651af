using Mesh.Proxy.Config;
using Mesh.Proxy.Http;
using Mesh.Proxy.Security;
using Mesh.Proxy.Upstream;

namespace Mesh.Proxy.Tcp;

/// <summary>Asks another service, over gRPC, whether a TCP connection may be: once, before its first byte goes on. No answer is no permission, unless the configuration says that it is.</summary>
internal static class ConnectionCheck
{
    private static readonly TimeSpan TimeoutWhenUnset = TimeSpan.FromMilliseconds(200);

    /// <returns>Null: the connection goes on.</returns>
    public static async ValueTask<Failure?> RefusalAsync(Worker worker, ClientConnection client, NetworkExternalAuthorization authorizer)
    {
        var service = authorizer.Service;
        var timeout = service.Timeout > TimeSpan.Zero ? service.Timeout : TimeoutWhenUnset;
        var answer = await UnaryCall.AskAsync(worker, service, "/envoy.service.auth.v3.Authorization/Check", AuthorizerMessages.Request(client, authorizer.IncludePeerCertificate), timeout);
        var verdict = answer is { } bytes ? AuthorizerMessages.Response(bytes.Span) : null;
        return verdict switch
        {
            { IsAllowed: true } => null,
            { IsAllowed: false } => new(FailureKind.ExternalDenied, Side.Local) { Answer = new(0, "ext_authz_denied") },
            null when authorizer.FailOpen => null,
            null => new(FailureKind.ExternalFailed, Side.Local) { Answer = new(0, "ext_authz_error") },
        };
    }
}
