using Mesh.Model.Yaml;

namespace Mesh.Model.Schema;

/// <summary>Fills in what the API server would from the CRD before a controller sees the resource.</summary>
public static class Defaults
{
    public static MapNode Apply(MapNode resource) => resource;
}
