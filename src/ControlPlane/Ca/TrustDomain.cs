using Mesh.ControlPlane.Serve;

namespace Mesh.ControlPlane.Ca;

/// <summary>The name that all identities of the mesh begin with: an argument's, else the MeshConfig's.</summary>
internal sealed class TrustDomain(Options options, WorldFeed feed)
{
    public string Name => options.TrustDomain ?? feed.Current?.World.Mesh.TrustDomain ?? "cluster.local";
}
