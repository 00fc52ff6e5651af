namespace Mesh.Model.Translate;

/// <summary>The types of MeshConfig's extensionProviders that proxies write to, by what they are told.</summary>
public static class ProviderKinds
{
    public static readonly string[] Logs = ["envoyFileAccessLog", "envoyOtelAls"], Traces = ["zipkin", "opentelemetry"], Metrics = ["prometheus"];
}
