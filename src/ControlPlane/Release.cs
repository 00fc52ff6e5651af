namespace Mesh.ControlPlane;

/// <summary>The version that this program was built as; Directory.Build.props says it for all programs.</summary>
internal static class Release
{
    public static string Version { get; } = typeof(Release).Assembly.GetName().Version!.ToString(3);
}
