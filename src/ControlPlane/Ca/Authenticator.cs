using System.Security.Cryptography.X509Certificates;
using Grpc.Core;

namespace Mesh.ControlPlane.Ca;

/// <summary>Tells who a token belongs to. Local tokens are one way; in a cluster the API server's TokenReview is another.</summary>
public interface ITokenVerifier
{
    /// <returns>Null and a sentence when the token is no good; the next verifier is asked.</returns>
    ValueTask<(CallerIdentity? Who, string Problem)> VerifyAsync(string token, CancellationToken cancellation);
}

internal sealed class LocalTokenVerifier(LocalTokens tokens) : ITokenVerifier
{
    public ValueTask<(CallerIdentity? Who, string Problem)> VerifyAsync(string token, CancellationToken cancellation) =>
        new((tokens.Verify(token, out var problem), problem));
}

/// <summary>Who calls: by the certificate it presented, or by its bearer token. A bad token is refused even where a certificate is good.</summary>
internal sealed class Authenticator(IEnumerable<ITokenVerifier> verifiers, TrustDomain trustDomain)
{
    private readonly IReadOnlyList<ITokenVerifier> verifiers = [.. verifiers];

    /// <returns>Null identity with an empty problem: the caller said nothing about itself.</returns>
    public async ValueTask<(CallerIdentity? Who, string Problem)> IdentifyAsync(ServerCallContext call)
    {
        var header = call.RequestHeaders.GetValue("authorization");
        if (header is not null)
        {
            if (!header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase)) return (null, "authorization is not of the form \"Bearer TOKEN\"");
            var problem = "no way to check tokens is set up";
            foreach (var verifier in verifiers)
            {
                var (who, why) = await verifier.VerifyAsync(header[7..].Trim(), call.CancellationToken);
                if (who is not null) return (who, "");
                problem = why;
            }
            return (null, problem);
        }
        return (FromCertificate(await call.GetHttpContext().Connection.GetClientCertificateAsync(call.CancellationToken)), "");
    }

    /// <summary>The connection has checked the chain; here only the name is read.</summary>
    private CallerIdentity? FromCertificate(X509Certificate2? certificate)
    {
        if (certificate is null) return null;
        var uris = SubjectUris.Of(certificate);
        return uris is [var only] ? CallerIdentity.FromSpiffe(only, trustDomain.Name) : null;
    }
}

/// <summary>The URIs among a certificate's alternative names, which the class library shows only as text.</summary>
internal static class SubjectUris
{
    public static IReadOnlyList<string> Of(X509Certificate2 certificate)
    {
        var parsed = new Org.BouncyCastle.X509.X509CertificateParser().ReadCertificate(certificate.RawData);
        var names = parsed.GetSubjectAlternativeNameExtension();
        return names is null ? [] : [.. names.GetNames()
            .Where(n => n.TagNo == Org.BouncyCastle.Asn1.X509.GeneralName.UniformResourceIdentifier).Select(n => n.Name.ToString()!)];
    }
}
