using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace Mesh.Net.Tls.OpenSsl;

/// <summary>PEM into an SSL_CTX: certificates, keys, roots, revocation lists; each unusable part named.</summary>
internal static unsafe class SslPem
{
    private delegate nint PemReader(nint bio);

    internal static void Use(nint context, TlsCertificate certificate)
    {
        var chain = ReadAll(certificate.ChainPem, ReadCertificate, "certificate");
        try
        {
            if (LibSsl.ContextUseCertificate(context, chain[0]) != 1) throw Unusable("certificate");

            UseKey(context, certificate.KeyPem);
            foreach (var issuer in chain.Skip(1))
            {
                if (!SslControls.AddChainCertificate(context, issuer)) throw Unusable("certificate chain");
            }
        }
        finally
        {
            foreach (var x509 in chain) LibSsl.CertificateFree(x509);
        }
    }

    internal static void Trust(nint context, ReadOnlyMemory<byte> rootsPem, bool tellClients)
    {
        var store = LibSsl.ContextGetStore(context);
        foreach (var root in ReadAll(rootsPem, ReadCertificate, "trusted root"))
        {
            LibSsl.StoreAddCertificate(store, root);
            if (tellClients) LibSsl.ContextAddClientCa(context, root);
            LibSsl.CertificateFree(root);
        }
    }

    internal static void Revoke(nint context, ReadOnlyMemory<byte> listsPem)
    {
        var store = LibSsl.ContextGetStore(context);
        foreach (var list in ReadAll(listsPem, static bio => LibSsl.ReadRevocationList(bio, 0, 0, 0), "revocation list"))
        {
            LibSsl.StoreAddRevocationList(store, list);
            LibSsl.RevocationListFree(list);
        }

        LibSsl.StoreSetFlags(store, LibSsl.StoreCrlCheckAll);
    }

    /// <summary>Every name behind its length, as it travels.</summary>
    internal static byte[] AlpnWire(ImmutableArray<string> protocols)
    {
        var wire = new List<byte>();
        foreach (var protocol in protocols)
        {
            if (protocol.Length is 0 or > 255) throw new TlsSettingsException($"ALPN name of {protocol.Length} bytes: 1 to 255 are allowed");

            wire.Add((byte)protocol.Length);
            wire.AddRange(Encoding.ASCII.GetBytes(protocol));
        }

        return [.. wire];
    }

    private static void UseKey(nint context, ReadOnlyMemory<byte> pem)
    {
        var key = WithBio(pem, static bio => LibSsl.ReadPrivateKey(bio, 0, &NoPassword, 0));
        if (key == 0) throw Unusable("private key");

        try
        {
            if (LibSsl.ContextUsePrivateKey(context, key) != 1 || LibSsl.ContextCheckPrivateKey(context) != 1) throw Unusable("private key for this certificate");
        }
        finally
        {
            LibSsl.KeyFree(key);
        }
    }

    // An encrypted key is unusable here; without this the library would ask at the terminal.
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int NoPassword(byte* buffer, int size, int isWriting, nint argument) => 0;

    private static nint ReadCertificate(nint bio) => LibSsl.ReadCertificate(bio, 0, 0, 0);

    private static List<nint> ReadAll(ReadOnlyMemory<byte> pem, PemReader reader, string what)
    {
        var all = new List<nint>();
        WithBio(pem, bio =>
        {
            while (reader(bio) is var one && one != 0) all.Add(one);
            return 0;
        });
        if (all.Count == 0) throw Unusable(what);

        // Reading on past the last one leaves "no start line" behind.
        LibSsl.ErrorClear();
        return all;
    }

    private static nint WithBio(ReadOnlyMemory<byte> pem, PemReader reader)
    {
        LibSsl.ErrorClear();
        using var pin = pem.Pin();
        var bio = LibSsl.BioNewMemory((byte*)pin.Pointer, pem.Length);
        try
        {
            return bio == 0 ? 0 : reader(bio);
        }
        finally
        {
            if (bio != 0) LibSsl.BioFree(bio);
        }
    }

    private static TlsSettingsException Unusable(string what) => new($"{what} unusable: {SslErrors.Take()}");
}
