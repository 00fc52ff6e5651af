using Org.BouncyCastle.X509;

namespace Mesh.ControlPlane.Ca;

/// <summary>
/// Revocation lists of the plugged-in authorities (<c>ca-crl.pem</c>). Proxies refuse everybody where a list cannot be trusted, so such a list is turned away here, with its reason.
/// </summary>
internal static class RevocationText
{
    // Ten thousand revocations are under half a MiB; proxies hold the text.
    private const int CharsMax = 1 << 20;

    /// <param name="authorities">Who may have signed the lists: roots, and what leads from the signer to its root.</param>
    /// <exception cref="InvalidDataException">Names the list and what is wrong with it.</exception>
    public static string Checked(string file, string pem, IReadOnlyList<X509Certificate> authorities, DateTimeOffset now)
    {
        if (pem.Trim().Length == 0) return "";
        if (pem.Length > CharsMax) throw new InvalidDataException($"{file} is larger than {CharsMax >> 20} MiB");

        IReadOnlyList<X509Crl> lists;
        try
        {
            lists = Lists(pem);
        }
        catch (Exception e) when (e is IOException or ArgumentException or FormatException or InvalidOperationException or Org.BouncyCastle.Security.GeneralSecurityException)
        {
            throw new InvalidDataException($"{file} cannot be read: {e.Message}", e);
        }
        if (lists.Count == 0) throw new InvalidDataException($"{file} holds no revocation list (PEM block X509 CRL)");
        foreach (var list in lists)
            if (Problem(list, authorities, now) is { } problem) throw new InvalidDataException($"{file}: the list of \"{list.IssuerDN}\" {problem}");
        return pem;
    }

    /// <summary>How many certificates the lists revoke.</summary>
    public static int Count(string checkedPem) => checkedPem.Length == 0 ? 0 : Lists(checkedPem).Sum(list => list.GetRevokedCertificates()?.Count ?? 0);

    /// <summary>When the first of them is out of date; from then on nobody under its authority is believed. Null: never.</summary>
    public static DateTimeOffset? NextUpdate(string checkedPem) =>
        checkedPem.Length == 0 ? null : Lists(checkedPem).Min(list => list.NextUpdate is { } next ? new DateTimeOffset(DateTime.SpecifyKind(next, DateTimeKind.Utc)) : (DateTimeOffset?)null);

    private static IReadOnlyList<X509Crl> Lists(string pem) => [.. Pem.Objects(pem).Select(item => item as X509Crl ?? throw new FormatException("there is something else among the revocation lists"))];

    private static string? Problem(X509Crl list, IReadOnlyList<X509Certificate> authorities, DateTimeOffset now)
    {
        if (list.GetCriticalExtensionOids() is { Count: > 0 } critical) return $"has critical extensions that are not understood ({string.Join(", ", critical)}); partial, indirect and delta lists are not taken";
        if (list.NextUpdate is { } next && next.ToUniversalTime() <= now.UtcDateTime) return $"is out of date since {next:u}";
        return authorities.Any(authority => authority.SubjectDN.Equivalent(list.IssuerDN) && IsSignedBy(list, authority)) ? null : "is signed by none of the roots and intermediates";
    }

    private static bool IsSignedBy(X509Crl list, X509Certificate authority)
    {
        try
        {
            list.Verify(authority.GetPublicKey());
            return true;
        }
        catch (Exception e) when (e is Org.BouncyCastle.Security.Certificates.CrlException or Org.BouncyCastle.Security.GeneralSecurityException or Org.BouncyCastle.Security.SecurityUtilityException)
        {
            return false;
        }
    }
}
