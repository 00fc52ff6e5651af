namespace Mesh.Http.H2;

/// <summary>Every way an HTTP/2 peer can be wrong, with its reach and code. Details words are Envoy's.</summary>
internal static class H2Errors
{
    private const string Frame = "http2.protocol_error";
    private const string Messaging = "http2.violation.of.messaging.rule";
    private const string Field = "http2.invalid.header.field";
    private const string Flood = "http2.inbound_control_frames_flood";

    // ---- the connection ends ----
    public static readonly ProtocolError BadPreface          = Connection("RFC 9113 §3.4",   H2ErrorCode.ProtocolError,    Frame, "the connection does not begin with the preface");
    public static readonly ProtocolError NoSettingsFirst     = Connection("RFC 9113 §3.4",   H2ErrorCode.ProtocolError,    Frame, "the first frame is not SETTINGS");
    public static readonly ProtocolError FrameTooLarge       = Connection("RFC 9113 §4.2",   H2ErrorCode.FrameSizeError,   Frame, "a frame is larger than we allow");
    public static readonly ProtocolError WrongFrameSize      = Connection("RFC 9113 §4.2",   H2ErrorCode.FrameSizeError,   Frame, "a frame has the wrong length");
    public static readonly ProtocolError WrongStreamZero     = Connection("RFC 9113 §5.1.1", H2ErrorCode.ProtocolError,    Frame, "a frame of a stream on stream 0, or the other way round");
    public static readonly ProtocolError BadPadding          = Connection("RFC 9113 §6.1",   H2ErrorCode.ProtocolError,    Frame, "the padding is as long as the payload");
    public static readonly ProtocolError BlockInterrupted    = Connection("RFC 9113 §4.3",   H2ErrorCode.ProtocolError,    Frame, "another frame inside a field block, or CONTINUATION outside one");
    public static readonly ProtocolError Idle                = Connection("RFC 9113 §5.1",   H2ErrorCode.ProtocolError,    Frame, "a frame on a stream that was never opened");
    public static readonly ProtocolError BadStreamId         = Connection("RFC 9113 §5.1.1", H2ErrorCode.ProtocolError,    Frame, "a new stream's id is not the peer's to use");
    public static readonly ProtocolError OnClosedStream      = Connection("RFC 9113 §5.1",   H2ErrorCode.StreamClosed,     Frame, "HEADERS on a stream that has ended");
    public static readonly ProtocolError Push                = Connection("RFC 9113 §6.6",   H2ErrorCode.ProtocolError,    Frame, "PUSH_PROMISE, which we do not take");
    public static readonly ProtocolError BadSetting          = Connection("RFC 9113 §6.5.2", H2ErrorCode.ProtocolError,    Frame, "a setting has a value it cannot have");
    public static readonly ProtocolError WindowSettingTooLarge = Connection("RFC 9113 §6.5.2", H2ErrorCode.FlowControlError, Frame, "the initial window is above 2^31-1");
    public static readonly ProtocolError ConnectionWindow    = Connection("RFC 9113 §6.9.1", H2ErrorCode.FlowControlError, Frame, "the connection's window went above 2^31-1 or was overrun");
    public static readonly ProtocolError ZeroIncrement       = Connection("RFC 9113 §6.9",   H2ErrorCode.ProtocolError,    Frame, "WINDOW_UPDATE of nothing for the connection");
    public static readonly ProtocolError Compression         = Connection("RFC 7541 §6",     H2ErrorCode.CompressionError, Frame, "a field block cannot be decoded");
    public static readonly ProtocolError TooManyContinuations = Connection("RFC 9113 §10.5", H2ErrorCode.EnhanceYourCalm,  "http2.inbound_empty_frames_flood", "a field block in more or emptier frames than the limit");
    public static readonly ProtocolError BlockTooLarge       = Connection("RFC 9113 §10.5.1", H2ErrorCode.EnhanceYourCalm, "http2.too_many_headers", "a field block is larger than the limit");
    public static readonly ProtocolError ResetFlood          = Connection("RFC 9113 §10.5",  H2ErrorCode.EnhanceYourCalm,  "http2.rapid_reset", "more streams were reset than the limit");
    public static readonly ProtocolError PingFlood           = Connection("RFC 9113 §10.5",  H2ErrorCode.EnhanceYourCalm,  Flood, "more PING or SETTINGS than the limit");
    public static readonly ProtocolError SettingsTooLarge    = Connection("RFC 9113 §10.5",  H2ErrorCode.EnhanceYourCalm,  Flood, "SETTINGS with more entries than the limit");
    public static readonly ProtocolError EmptyFrameFlood     = Connection("RFC 9113 §10.5",  H2ErrorCode.EnhanceYourCalm,  "http2.inbound_empty_frames_flood", "more empty frames than the limit");
    public static readonly ProtocolError PriorityFlood       = Connection("RFC 9113 §10.5",  H2ErrorCode.EnhanceYourCalm,  "http2.inbound_priority_frames_flood", "more PRIORITY frames than the limit");
    public static readonly ProtocolError WindowUpdateFlood   = Connection("RFC 9113 §10.5",  H2ErrorCode.EnhanceYourCalm,  "http2.inbound_window_update_frames_flood", "more WINDOW_UPDATE frames than the limit");
    public static readonly ProtocolError OutputFlood         = Connection("RFC 9113 §10.5",  H2ErrorCode.EnhanceYourCalm,  "http2.outbound_control_frames_flood", "answers pile up that the peer does not read");

    // ---- the stream ends ----
    public static readonly ProtocolError StreamClosed        = Stream("RFC 9113 §5.1",   H2ErrorCode.StreamClosed,     Frame, "DATA or HEADERS after the end of the stream");
    public static readonly ProtocolError RefusedStream       = Stream("RFC 9113 §5.1.2", H2ErrorCode.RefusedStream,    Frame, "more streams than we allow");
    public static readonly ProtocolError SelfDependency      = Stream("RFC 7540 §5.3.1", H2ErrorCode.ProtocolError,    Frame, "a stream depends on itself");
    public static readonly ProtocolError BadPriorityLength   = Stream("RFC 9113 §6.3",   H2ErrorCode.FrameSizeError,   Frame, "PRIORITY of the wrong length");
    public static readonly ProtocolError StreamZeroIncrement = Stream("RFC 9113 §6.9",   H2ErrorCode.ProtocolError,    Frame, "WINDOW_UPDATE of nothing");
    public static readonly ProtocolError StreamWindow        = Stream("RFC 9113 §6.9.1", H2ErrorCode.FlowControlError, Frame, "the stream's window went above 2^31-1 or was overrun");
    public static readonly ProtocolError LengthMismatch      = Stream("RFC 9113 §8.1.1", H2ErrorCode.ProtocolError, Messaging, "content-length and DATA differ");
    public static readonly ProtocolError TrailersWithoutEnd  = Stream("RFC 9113 §8.1",   H2ErrorCode.ProtocolError, Messaging, "trailers do not end the stream");
    public static readonly ProtocolError BadField            = Stream("RFC 9113 §8.2.1", H2ErrorCode.ProtocolError, Field,     "a field name or value holds what it cannot hold");
    public static readonly ProtocolError ConnectionField     = Stream("RFC 9113 §8.2.2", H2ErrorCode.ProtocolError, Field,     "a field that belongs to HTTP/1.1 connections");
    public static readonly ProtocolError BadPseudo           = Stream("RFC 9113 §8.3",   H2ErrorCode.ProtocolError, Field,     "a pseudo-header is missing, repeated, unknown or out of place");
    public static readonly ProtocolError BadTarget           = Stream("RFC 9113 §8.3.1", H2ErrorCode.ProtocolError, Field,     ":method, :path or :authority is not valid");
    public static readonly ProtocolError BadLength           = Stream("RFC 9110 §8.6",   H2ErrorCode.ProtocolError, Messaging, "content-length is not one decimal number");
    public static readonly ProtocolError BadStatus           = Stream("RFC 9113 §8.3.2", H2ErrorCode.ProtocolError, Messaging, ":status is no status, or one that HTTP/2 does not have");
    public static readonly ProtocolError Underscore          = Stream("RFC 9110 §5.1",   H2ErrorCode.ProtocolError, "http2.unexpected_underscore", "a field name holds an underscore");
    public static readonly ProtocolError TooManyInterim      = Stream("RFC 9110 §15.2",  H2ErrorCode.ProtocolError, Messaging, "more interim responses than the limit");
    public static readonly ProtocolError BodyForbidden       = Stream("RFC 9110 §6.4.1", H2ErrorCode.ProtocolError, Messaging, "a body where none can be");

    // ---- the request is answered ----
    public static readonly ProtocolError HeadTooLarge        = Answered("RFC 6585 §5",       431, "http2.too_many_headers", "the fields are more than the limit");
    public static readonly ProtocolError ListTooLarge        = Answered("RFC 6585 §5",       431, "http2.header_list_size_too_large", "the fields are larger than the limit");
    public static readonly ProtocolError MissingHost         = Answered("RFC 9113 §8.3.1",   400, "missing_host_header",    "the request has neither :authority nor host");
    public static readonly ProtocolError NoAbsolutePath      = Answered("RFC 9112 §3.2.4",   404, "absolute_path_rejected", "the target is not a path");

    private static ProtocolError Connection(string section, H2ErrorCode code, string details, string message) =>
        new(new ProtocolError.Row(section, 400, details, message, ErrorLevel.Connection, code));

    private static ProtocolError Stream(string section, H2ErrorCode code, string details, string message) =>
        new(new ProtocolError.Row(section, 400, details, message, ErrorLevel.Stream, code));

    private static ProtocolError Answered(string section, int status, string details, string message) =>
        new(new ProtocolError.Row(section, status, details, message, ErrorLevel.Stream));
}
