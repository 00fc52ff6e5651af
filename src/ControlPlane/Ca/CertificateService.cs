using Grpc.Core;
using Istio.V1.Auth;

namespace Mesh.ControlPlane.Ca;

/// <summary>Istio's certificate call. Every refusal is logged with its reason and counted; the caller is told what it may mend.</summary>
internal sealed class CertificateService(CertificateAuthority authority, Authenticator authenticator, CaMetrics metrics, TrustDomain trustDomain, Options options, ILogger<CertificateService> log)
    : IstioCertificateService.IstioCertificateServiceBase
{
    public override async Task<IstioCertificateResponse> CreateCertificate(IstioCertificateRequest request, ServerCallContext context)
    {
        metrics.Requests.Inc();
        var (who, problem) = await authenticator.IdentifyAsync(context);
        if (who is null)
            throw Refuse(metrics.AuthenticationErrors, StatusCode.Unauthenticated, context, null, problem.Length > 0 ? problem : "a token or a client certificate is needed");

        if (request.Metadata?.Fields.ContainsKey("ImpersonatedIdentity") == true)
            throw Refuse(metrics.AuthenticationErrors, StatusCode.PermissionDenied, context, who, "nobody may ask for a certificate of somebody else");

        var key = SigningRequest.ReadKey(request.Csr, out problem);
        if (key is null) throw Refuse(metrics.ParsingErrors, StatusCode.InvalidArgument, context, who, problem);

        try
        {
            var wished = TimeSpan.FromSeconds(Math.Clamp(request.ValidityDuration, 0, (long)options.CertificateLifetimeMax.TotalSeconds));
            var issued = authority.Issue(key, who.Spiffe(trustDomain.Name), wished);
            metrics.Issued.Inc();
            log.LogInformation("certificate for {Identity} until {NotAfter:u}", who.Spiffe(trustDomain.Name), issued.NotAfter);
            return new() { CertChain = { issued.ChainPem } };
        }
        catch (SignerExpiredException e)
        {
            throw Refuse(metrics.SigningErrors, StatusCode.FailedPrecondition, context, who, e.Message);
        }
    }

    private RpcException Refuse(Prometheus.ICounter counter, StatusCode code, ServerCallContext context, CallerIdentity? who, string reason)
    {
        counter.Inc();
        log.LogWarning("certificate refused to {Who} at {Peer}: {Reason}", who?.ToString() ?? "somebody unknown", context.Peer, reason);
        return new(new Status(code, reason));
    }
}
