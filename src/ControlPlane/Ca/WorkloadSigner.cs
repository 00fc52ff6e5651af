using Grpc.Core;
using Org.BouncyCastle.Crypto;

namespace Mesh.ControlPlane.Ca;

/// <summary>A workload's wish for a certificate, after the caller was identified and its request was read.</summary>
/// <param name="Identity">The authenticated identity: <c>spiffe://trust.domain/ns/…/sa/…</c>.</param>
/// <param name="Wished">How long it should be valid; zero: the default.</param>
/// <param name="SignerName">The signer that the workload's proxy names (<c>ISTIO_META_CERT_SIGNER</c>); empty: the default one.</param>
internal sealed record WorkloadRequest(string CsrPem, AsymmetricKeyParameter PublicKey, string Identity, TimeSpan Wished, string SignerName);

/// <summary>A certificate, or why there is none.</summary>
internal sealed record SigningAnswer(IssuedCertificate? Issued, StatusCode Code, string Problem)
{
    public static SigningAnswer Of(IssuedCertificate issued) => new(issued, StatusCode.OK, "");

    public static SigningAnswer Refused(StatusCode code, string problem) => new(null, code, problem);
}

/// <summary>Who turns a workload's request into a certificate: the mesh's own authority, or one outside.</summary>
internal interface IWorkloadSigner
{
    Task<SigningAnswer> SignAsync(WorkloadRequest request, CancellationToken cancel);
}

internal sealed class OwnSigner(CertificateAuthority authority) : IWorkloadSigner
{
    public Task<SigningAnswer> SignAsync(WorkloadRequest request, CancellationToken cancel)
    {
        try
        {
            return Task.FromResult(SigningAnswer.Of(authority.Issue(request.PublicKey, request.Identity, request.Wished)));
        }
        catch (SignerExpiredException e)
        {
            return Task.FromResult(SigningAnswer.Refused(StatusCode.FailedPrecondition, e.Message));
        }
    }
}
