namespace Mesh.Http;

public enum HttpScheme : byte
{
    Http = 0,
    Https,
}
