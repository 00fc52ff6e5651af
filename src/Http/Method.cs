namespace Mesh.Http;

/// <summary>Request methods (RFC 9110 §9, RFC 5789). Other = any other token; its bytes are in <see cref="RequestHead.MethodName"/>.</summary>
public enum Method : byte
{
    Other = 0,
    Get,
    Head,
    Post,
    Put,
    Delete,
    Connect,
    Options,
    Trace,
    Patch,
}

public static class Methods
{
    /// <summary>Methods are case-sensitive: "get" is Other.</summary>
    public static Method Find(ReadOnlySpan<byte> name) => name.Length switch
    {
        3 => name.SequenceEqual("GET"u8) ? Method.Get : name.SequenceEqual("PUT"u8) ? Method.Put : Method.Other,
        4 => name.SequenceEqual("POST"u8) ? Method.Post : name.SequenceEqual("HEAD"u8) ? Method.Head : Method.Other,
        5 => name.SequenceEqual("PATCH"u8) ? Method.Patch : name.SequenceEqual("TRACE"u8) ? Method.Trace : Method.Other,
        6 => name.SequenceEqual("DELETE"u8) ? Method.Delete : Method.Other,
        7 => name.SequenceEqual("OPTIONS"u8) ? Method.Options : name.SequenceEqual("CONNECT"u8) ? Method.Connect : Method.Other,
        _ => Method.Other,
    };

    /// <summary>The methods that Envoy takes over HTTP/1.1: IANA's, with WebDAV's and UPnP's.</summary>
    public static bool IsRegistered(ReadOnlySpan<byte> name) => Find(name) != Method.Other || (name.Length <= 11 && Others.Contains(System.Text.Encoding.Latin1.GetString(name)));

    private static readonly HashSet<string> Others = new(
        "COPY LOCK MKCOL MOVE PROPFIND PROPPATCH SEARCH UNLOCK BIND REBIND UNBIND ACL REPORT MKACTIVITY CHECKOUT MERGE M-SEARCH NOTIFY SUBSCRIBE UNSUBSCRIBE PURGE MKCALENDAR LINK UNLINK SOURCE".Split(' '),
        StringComparer.Ordinal);

    /// <summary>Empty for Other.</summary>
    public static ReadOnlySpan<byte> Name(Method method) => method switch
    {
        Method.Get => "GET"u8,
        Method.Head => "HEAD"u8,
        Method.Post => "POST"u8,
        Method.Put => "PUT"u8,
        Method.Delete => "DELETE"u8,
        Method.Connect => "CONNECT"u8,
        Method.Options => "OPTIONS"u8,
        Method.Trace => "TRACE"u8,
        Method.Patch => "PATCH"u8,
        _ => [],
    };

    /// <summary>Safe to send twice (RFC 9110 §9.2.2).</summary>
    public static bool IsIdempotent(Method method) =>
        method is Method.Get or Method.Head or Method.Put or Method.Delete or Method.Options or Method.Trace;
}
