namespace Mesh.Http.H1;

/// <summary>Every way an HTTP/1 message can be wrong, with its answer. Details words are Envoy's.</summary>
internal static class H1Errors
{
    private const string Codec = "http1.codec_error";

    //                                                              section            status  details                     message
    public static readonly ProtocolError BadRequestLine      = Error("RFC 9112 §3",       400, Codec,                       "the request line is not method SP target SP version");
    public static readonly ProtocolError BadMethod           = Error("RFC 9110 §9.1",     400, Codec,                       "the method is not a token");
    public static readonly ProtocolError BadTarget           = Error("RFC 9112 §3.2",     400, "http1.invalid_url",         "the request target is not valid");
    public static readonly ProtocolError RelativeTarget      = Error("RFC 9112 §3.2",     400, Codec,                       "the request target is neither a path nor a whole URL");
    public static readonly ProtocolError BadScheme           = Error("RFC 9110 §4.2",     400, "http1.invalid_scheme",      "the target's scheme is neither http nor https");
    public static readonly ProtocolError UnknownMethod       = Error("RFC 9110 §9.1",     400, Codec,                       "the method is not a registered one");
    public static readonly ProtocolError NominatedField      = Error("RFC 9110 §7.6.1",   400, "http1.connection_header_rejected", "Connection names a field that says whom the request is from or for");
    public static readonly ProtocolError HttpsInPlaintext    = Error("RFC 9110 §4.2.2",   403, "http1.https_url_on_plaintext_connection", "the target is an https URL and the connection is not encrypted");
    public static readonly ProtocolError UserInfo            = Error("RFC 9110 §4.2.4",   400, "http1.invalid_url",         "the target's authority holds user information");
    public static readonly ProtocolError BadAuthority        = Error("RFC 9110 §7.2",     400, "http.invalid_authority",    "the authority is not a host with or without a port");
    public static readonly ProtocolError TargetTooLong       = Error("RFC 9112 §3",       414, "http1.headers_too_large",   "the request line is longer than the limit");
    public static readonly ProtocolError LowVersion          = Error("RFC 9112 §2.3",     426, "low_version",               "the version is not HTTP/1.1");
    public static readonly ProtocolError BareLineFeed        = Error("RFC 9112 §2.2",     400, Codec,                       "a line ends without carriage return");
    public static readonly ProtocolError BadFieldName        = Error("RFC 9112 §5.1",     400, Codec,                       "a field name is empty or not a token");
    public static readonly ProtocolError ControlInFieldName  = Error("RFC 9112 §5.1",     400, "http1.invalid_characters",  "a field name holds a control character");
    public static readonly ProtocolError FieldNameTooLong    = Error("RFC 9110 §5.4",     431, "http1.headers_too_large",   "a field name is longer than the limit");
    public static readonly ProtocolError Underscore          = Error("RFC 9110 §5.1",     400, "http1.unexpected_underscore", "a field name holds an underscore");
    public static readonly ProtocolError BadFieldValue       = Error("RFC 9110 §5.5",     400, "http1.invalid_characters",  "a field value holds a control character");
    public static readonly ProtocolError FoldedField         = Error("RFC 9112 §5.2",     400, Codec,                       "a field is folded over several lines");
    public static readonly ProtocolError HeadTooLarge        = Error("RFC 6585 §5",       431, "http1.headers_too_large",   "the head is larger than the limit");
    public static readonly ProtocolError TooManyFields       = Error("RFC 6585 §5",       431, "http1.too_many_headers",    "the message has more fields than the limit");
    public static readonly ProtocolError MissingHost         = Error("RFC 9112 §3.2",     400, "missing_host_header",       "the request has no Host");
    public static readonly ProtocolError RepeatedHost        = Error("RFC 9112 §3.2",     400, Codec,                       "the request has several Host fields");
    public static readonly ProtocolError NoAbsolutePath      = Error("RFC 9112 §3.2.4",   404, "absolute_path_rejected",    "the target is not a path");
    public static readonly ProtocolError LengthAndEncoding   = Error("RFC 9112 §6.3",     400, "http1.content_length_and_chunked_not_allowed", "Content-Length and Transfer-Encoding together");
    public static readonly ProtocolError BadLength           = Error("RFC 9110 §8.6",     400, Codec,                       "Content-Length is not one decimal number");
    public static readonly ProtocolError UnknownEncoding     = Error("RFC 9112 §6.1",     501, "http1.invalid_transfer_encoding", "Transfer-Encoding is not exactly chunked");
    public static readonly ProtocolError EncodingInHttp10    = Error("RFC 9112 §6.1",     400, "http1.transfer_encoding_not_allowed", "Transfer-Encoding in HTTP/1.0");
    public static readonly ProtocolError EncodingNotAllowed  = Error("RFC 9112 §6.1",     400, "http1.transfer_encoding_not_allowed", "Transfer-Encoding where no body can be");
    public static readonly ProtocolError BadStatusLine       = Error("RFC 9112 §4",       502, Codec,                       "the status line is not version SP status SP reason");
    public static readonly ProtocolError UnaskedSwitch       = Error("RFC 9110 §15.2.2",  502, Codec,                       "101 for an upgrade that nobody asked for");
    public static readonly ProtocolError TooManyInterim      = Error("RFC 9110 §15.2",    502, Codec,                       "more interim responses than the limit");
    public static readonly ProtocolError BadChunkSize        = Error("RFC 9112 §7.1",     400, Codec,                       "a chunk size is not 1 to 16 hexadecimal digits");
    public static readonly ProtocolError BadChunkExtension   = Error("RFC 9112 §7.1.1",   400, Codec,                       "a chunk extension is malformed");
    public static readonly ProtocolError ChunkLineTooLong    = Error("RFC 9112 §7.1.1",   400, Codec,                       "chunk extensions are longer than the limit");
    public static readonly ProtocolError BadChunkEnd         = Error("RFC 9112 §7.1",     400, Codec,                       "a chunk's data is not followed by CRLF");
    public static readonly ProtocolError TrailersTooLarge    = Error("RFC 9112 §7.1.2",   431, "http1.trailers_too_large",  "the trailer section is larger than the limit");

    private static ProtocolError Error(string section, int status, string details, string message) => new(new ProtocolError.Row(section, status, details, message));
}
