namespace Mesh.Http.H1;

/// <summary>Which fields may come behind a body (RFC 9110 §6.5.1): none that frame, route, authenticate or describe the message.</summary>
public static class Trailers
{
    public static bool MayCarry(KnownHeader id) => id switch
    {
        KnownHeader.None => true,
        >= KnownHeader.Host and <= KnownHeader.ContentType => false,
        KnownHeader.Cookie or KnownHeader.SetCookie or KnownHeader.Authorization or KnownHeader.ProxyAuthorization => false,
        KnownHeader.WwwAuthenticate or KnownHeader.ProxyAuthenticate or KnownHeader.Location or KnownHeader.CacheControl => false,
        KnownHeader.Range or KnownHeader.ContentRange or KnownHeader.ContentEncoding or KnownHeader.MaxForwards or KnownHeader.Age => false,
        KnownHeader.Expires or KnownHeader.Vary or KnownHeader.RetryAfter or KnownHeader.Date => false,
        >= KnownHeader.XForwardedFor and <= KnownHeader.XEnvoyUpstreamAltStatName => false,
        _ => true,
    };
}
