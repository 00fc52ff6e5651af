using Grpc.Core;
using Istio.V1.Auth;

namespace Mesh.ControlPlane.Ca;

/// <summary>Istio's certificate call. Every refusal is logged with its reason and counted; the caller is told what it may mend.</summary>
internal sealed class CertificateService(IWorkloadSigner signer, Authenticator authenticator, CaMetrics metrics, TrustDomain trustDomain, Options options, ILogger<CertificateService> log)
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

        var wished = TimeSpan.FromSeconds(Math.Clamp(request.ValidityDuration, 0, (long)options.CertificateLifetimeMax.TotalSeconds));
        var identity = who.Spiffe(trustDomain.Name);
        var answer = await signer.SignAsync(new(request.Csr, key, identity, wished, SignerName(request)), context.CancellationToken);
        if (answer.Issued is not { } issued) throw Refuse(metrics.SigningErrors, answer.Code, context, who, answer.Problem);

        metrics.Issued.Inc();
        log.LogInformation("certificate for {Identity} until {NotAfter:u}", identity, issued.NotAfter);
        return new() { CertChain = { issued.ChainPem } };
    }

    private static string SignerName(IstioCertificateRequest request) =>
        request.Metadata?.Fields.TryGetValue("CertSigner", out var value) == true ? value.StringValue : "";

    private RpcException Refuse(Prometheus.ICounter counter, StatusCode code, ServerCallContext context, CallerIdentity? who, string reason)
    {
        counter.Inc();
        log.LogWarning("certificate refused to {Who} at {Peer}: {Reason}", who?.ToString() ?? "somebody unknown", context.Peer, reason);
        return new(new Status(code, reason));
    }
}
