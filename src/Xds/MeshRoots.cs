namespace Mesh.Xds;

/// <summary>
/// The secret by which our control plane tells our proxies whom to believe in the mesh, as a whole and at once: a validation context with every root in force.
/// A proxy's acknowledgement of it is how the control plane knows that a new root may be used. Other control planes do not know the name, other proxies do not ask for it.
/// </summary>
public static class MeshRoots
{
    public const string Name = "mesh-roots";
}
