using Mesh.Model.Yaml;

namespace Mesh.Cli.Demo;

/// <summary>What the folder's YAML asks for: the weight of each version of a service, in percent, of the first route that splits it.</summary>
internal sealed class ConfiguredSplit
{
    private readonly Dictionary<(string Service, string Version), double> percents = [];

    /// <summary>A file that cannot be read as YAML counts as empty: the control plane says what is wrong with it.</summary>
    public static ConfiguredSplit Read(string folder)
    {
        var documents = Directory.EnumerateFiles(folder, "*.yaml")
            .SelectMany(file => YamlReader.Read(File.ReadAllText(file), file, out _)).OfType<MapNode>().ToList();
        var versions = documents.Where(d => Kind(d) == "DestinationRule").SelectMany(SubsetVersions).ToLookup(s => s.Key, s => s.Version);
        var split = new ConfiguredSplit();
        foreach (var service in documents.Where(d => Kind(d) == "VirtualService"))
            foreach (var route in Items(At(service, "spec", "http")).Reverse())
                split.Take(Items(At(route, "route")).ToList(), versions);
        return split;
    }

    /// <returns>Null where no split is configured.</returns>
    public double? Percent(string service, string version) => percents.TryGetValue((service, version), out var percent) ? percent : null;

    private void Take(List<Node> destinations, ILookup<(string, string), string> versions)
    {
        if (destinations.Count < 2) return;

        var total = destinations.Sum(Weight);
        foreach (var destination in destinations)
        {
            var host = Text(At(destination, "destination", "host")).Split('.')[0];
            var subset = Text(At(destination, "destination", "subset"));
            percents[(host, versions[(host, subset)].FirstOrDefault() ?? subset)] = total > 0 ? 100 * Weight(destination) / total : 0;
        }
    }

    private static IEnumerable<((string, string) Key, string Version)> SubsetVersions(MapNode rule) =>
        Items(At(rule, "spec", "subsets")).Select(subset =>
            ((Text(At(rule, "spec", "host")).Split('.')[0], Text(At(subset, "name"))), Text(At(subset, "labels", "version"))));

    private static double Weight(Node destination) =>
        double.TryParse(Text(At(destination, "weight")), System.Globalization.CultureInfo.InvariantCulture, out var weight) ? weight : 0;

    private static string Kind(MapNode document) => Text(document["kind"]);
    private static string Text(Node? node) => node is ScalarNode scalar ? scalar.Text : "";
    private static IEnumerable<Node> Items(Node? node) => node is ListNode list ? list.Items : [];
    private static Node? At(Node? node, params ReadOnlySpan<string> keys)
    {
        foreach (var key in keys) node = (node as MapNode)?[key];
        return node;
    }
}
