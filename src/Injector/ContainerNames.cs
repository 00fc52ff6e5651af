namespace Mesh.Injector;

/// <summary>The containers that injection puts into a pod; users and tools know them by these names.</summary>
internal static class ContainerNames
{
    public const string Proxy = "istio-proxy";
    public const string Init = "istio-init";
    public const string Validation = "istio-validation";
    public const string CoreDump = "enable-core-dump";
}
