namespace Mesh.Http;

public enum HttpVersion : byte
{
    Http11 = 0,
    Http10,
    Http2,
}
