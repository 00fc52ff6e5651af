namespace Mesh.Http.H2;

public enum H2Role : byte
{
    /// <summary>We accepted the connection: the peer opens streams.</summary>
    Server = 0,

    /// <summary>We opened the connection: we open streams.</summary>
    Client,
}
