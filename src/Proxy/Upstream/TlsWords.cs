using System.Collections.Frozen;

namespace Mesh.Proxy.Upstream;

/// <summary>
/// Why a TLS handshake with an upstream failed, in the form that Envoy's users search their logs for: BoringSSL's number and name of the reason.
/// Our library has the same reasons under the same names, in other letters.
/// </summary>
internal static class TlsWords
{
    private const uint LibraryOfSsl = 16u << 24;

    private static readonly FrozenDictionary<string, uint> Reasons = new Dictionary<string, uint>
    {
        ["BAD_SIGNATURE"] = 106, ["BAD_SSL_FILETYPE"] = 107, ["CERTIFICATE_VERIFY_FAILED"] = 125, ["DECODE_ERROR"] = 137, ["DECRYPTION_FAILED_OR_BAD_RECORD_MAC"] = 139,
        ["HTTP_REQUEST"] = 156, ["NO_APPLICATION_PROTOCOL"] = 307, ["NO_CERTIFICATE_SET"] = 174, ["NO_SHARED_CIPHER"] = 184, ["PEER_DID_NOT_RETURN_A_CERTIFICATE"] = 192,
        ["TLSV1_ALERT_NO_APPLICATION_PROTOCOL"] = 1120, ["UNEXPECTED_MESSAGE"] = 223, ["UNEXPECTED_RECORD"] = 225, ["UNSUPPORTED_PROTOCOL"] = 240, ["WRONG_VERSION_NUMBER"] = 247,
        ["SSLV3_ALERT_UNEXPECTED_MESSAGE"] = 1010, ["SSLV3_ALERT_BAD_RECORD_MAC"] = 1020, ["SSLV3_ALERT_HANDSHAKE_FAILURE"] = 1040, ["SSLV3_ALERT_BAD_CERTIFICATE"] = 1042,
        ["SSLV3_ALERT_UNSUPPORTED_CERTIFICATE"] = 1043, ["SSLV3_ALERT_CERTIFICATE_REVOKED"] = 1044, ["SSLV3_ALERT_CERTIFICATE_EXPIRED"] = 1045,
        ["SSLV3_ALERT_CERTIFICATE_UNKNOWN"] = 1046, ["SSLV3_ALERT_ILLEGAL_PARAMETER"] = 1047, ["TLSV1_ALERT_UNKNOWN_CA"] = 1048, ["TLSV1_ALERT_ACCESS_DENIED"] = 1049,
        ["TLSV1_ALERT_DECODE_ERROR"] = 1050, ["TLSV1_ALERT_DECRYPT_ERROR"] = 1051, ["TLSV1_ALERT_PROTOCOL_VERSION"] = 1070, ["TLSV1_ALERT_INSUFFICIENT_SECURITY"] = 1071,
        ["TLSV1_ALERT_INTERNAL_ERROR"] = 1080, ["TLSV1_UNRECOGNIZED_NAME"] = 1112, ["TLSV1_ALERT_CERTIFICATE_REQUIRED"] = 1116,
    }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>The library's own names where they differ.</summary>
    private static readonly FrozenDictionary<string, string> Renamed = new Dictionary<string, string>
    {
        ["PACKET_LENGTH_TOO_LONG"] = "WRONG_VERSION_NUMBER", ["TLSV13_ALERT_CERTIFICATE_REQUIRED"] = "TLSV1_ALERT_CERTIFICATE_REQUIRED",
        ["SSL/TLS_ALERT_HANDSHAKE_FAILURE"] = "SSLV3_ALERT_HANDSHAKE_FAILURE",
    }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>The connection was reset during the handshake: the system's error 104.</summary>
    public const string ConnectionReset = "TLS_error:|33554536:system library:OPENSSL_internal:Connection reset by peer:TLS_error_end";

    /// <param name="reason">As the TLS layer says it: "wrong version number", or our own refusal: "CERTIFICATE_VERIFY_FAILED: …".</param>
    public static string Of(string reason)
    {
        var colon = reason.IndexOf(": ", StringComparison.Ordinal);
        var name = (colon < 0 ? reason : reason[..colon]).ToUpperInvariant().Replace(' ', '_');
        name = Renamed.GetValueOrDefault(name, name);
        if (!Reasons.TryGetValue(name, out var number)) return "TLS_error: " + reason;

        var detail = colon < 0 ? "" : ":" + reason[(colon + 2)..];
        return $"TLS_error:|{LibraryOfSsl | number}:SSL routines:OPENSSL_internal:{name}{detail}:TLS_error_end";
    }
}
