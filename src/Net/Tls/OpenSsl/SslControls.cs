using System.Runtime.InteropServices;
using System.Text;

namespace Mesh.Net.Tls.OpenSsl;

/// <summary>
/// Settings that OpenSSL reaches through its control calls, and BoringSSL and AWS-LC through functions of their own.
/// The function is used where the library exports it.
/// </summary>
internal static unsafe class SslControls
{
    private const int SetTlsExtHostName = 55, SetGroupsList = 92, ChainCertificate = 89, SetMode = 33, SetSessionCacheMode = 44, SetTicketKeysControl = 59;
    private const int SetServerNameCallback = 53, SetVersionMin = 123, SetVersionMax = 124;

    private static readonly nint Library = NativeLibrary.Load(LibSsl.Ssl, typeof(SslControls).Assembly, null);

    private static readonly delegate* unmanaged[Cdecl]<nint, int, nint, void*, nint> ContextControl =
        (delegate* unmanaged[Cdecl]<nint, int, nint, void*, nint>)Export("SSL_CTX_ctrl");

    private static readonly delegate* unmanaged[Cdecl]<nint, int, nint, void*, nint> ConnectionControl =
        (delegate* unmanaged[Cdecl]<nint, int, nint, void*, nint>)Export("SSL_ctrl");

    private static readonly delegate* unmanaged[Cdecl]<nint, int, void*, nint> ContextCallbackControl =
        (delegate* unmanaged[Cdecl]<nint, int, void*, nint>)Export("SSL_CTX_callback_ctrl");

    internal static bool SetVersions(nint context, int min, int max) =>
        ByNumber(context, "SSL_CTX_set_min_proto_version", SetVersionMin, min) && ByNumber(context, "SSL_CTX_set_max_proto_version", SetVersionMax, max);

    internal static void SetModes(nint context, uint modes) => ByNumber(context, "SSL_CTX_set_mode", SetMode, (int)modes);

    internal static void SetSessionCache(nint context, int mode) => ByNumber(context, "SSL_CTX_set_session_cache_mode", SetSessionCacheMode, mode);

    internal static bool SetGroups(nint context, string list) => ByText(ContextControl, context, "SSL_CTX_set1_groups_list", SetGroupsList, 0, list);

    /// <summary>The suites of TLS 1.3, where the library lets them be ordered; BoringSSL has an order of its own, by what the processor does best.</summary>
    internal static bool SetSuites13(nint context, string list) =>
        Export("SSL_CTX_set_ciphersuites") == 0 || ByText(ContextControl, context, "SSL_CTX_set_ciphersuites", 0, 0, list);

    internal static bool SetServerName(nint ssl, string name) => ByText(ConnectionControl, ssl, "SSL_set_tlsext_host_name", SetTlsExtHostName, 0, name);

    /// <summary>The context takes its own reference.</summary>
    internal static bool AddChainCertificate(nint context, nint x509)
    {
        var function = Export("SSL_CTX_add1_chain_cert");
        return function != 0
            ? ((delegate* unmanaged[Cdecl]<nint, nint, int>)function)(context, x509) == 1
            : ContextControl(context, ChainCertificate, 1, (void*)x509) == 1;
    }

    internal static void SetServerNameChoice(nint context, delegate* unmanaged[Cdecl]<nint, int*, nint, int> callback)
    {
        var function = Export("SSL_CTX_set_tlsext_servername_callback");
        if (function != 0) ((delegate* unmanaged[Cdecl]<nint, void*, int>)function)(context, callback);
        else ContextCallbackControl(context, SetServerNameCallback, callback);
    }

    /// <summary>How many TLS 1.3 session tickets a server sends after a full handshake.</summary>
    internal static void SetTickets(nint context, int count)
    {
        var function = Export("SSL_CTX_set_num_tickets");
        if (function != 0) ((delegate* unmanaged[Cdecl]<nint, nuint, int>)function)(context, (nuint)count);
    }

    /// <summary>What tickets are sealed with; of <paramref name="keys"/> as many bytes as the library wants.</summary>
    internal static void SetTicketKeys(nint context, ReadOnlySpan<byte> keys)
    {
        var function = Export("SSL_CTX_set_tlsext_ticket_keys");
        fixed (byte* at = keys)
        {
            if (function != 0) ((delegate* unmanaged[Cdecl]<nint, byte*, nuint, int>)function)(context, at, Math.Min((nuint)keys.Length, 48));
            else ContextControl(context, SetTicketKeysControl, Math.Min(keys.Length, (int)ContextControl(context, SetTicketKeysControl, 0, null)), at);
        }
    }

    /// <returns>The peer's own certificate, to be freed by the caller; 0 when it showed none.</returns>
    internal static nint TakePeerCertificate(nint ssl)
    {
        // OpenSSL 3 renamed it.
        var function = Export("SSL_get1_peer_certificate") is var renamed && renamed != 0 ? renamed : Export("SSL_get_peer_certificate");
        return ((delegate* unmanaged[Cdecl]<nint, nint>)function)(ssl);
    }

    private static bool ByNumber(nint context, string name, int control, int value)
    {
        var function = Export(name);
        return function != 0
            ? ((delegate* unmanaged[Cdecl]<nint, nint, nint>)function)(context, value) != 0
            : ContextControl(context, control, value, null) != 0;
    }

    private static bool ByText(
        delegate* unmanaged[Cdecl]<nint, int, nint, void*, nint> control, nint target, string name, int number, nint argument, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text + '\0');
        var function = Export(name);
        fixed (byte* at = bytes)
        {
            return function != 0
                ? ((delegate* unmanaged[Cdecl]<nint, byte*, int>)function)(target, at) == 1
                : control(target, number, argument, at) == 1;
        }
    }

    private static nint Export(string name) => NativeLibrary.TryGetExport(Library, name, out var address) ? address : 0;
}
