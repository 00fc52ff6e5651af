using System.Text.Json;
using System.Text.Json.Nodes;
using Mesh.Cli.Frame;
using Mesh.Cli.Output;
using Mesh.Cli.ProxyConfig;

namespace Mesh.Cli.Commands;

/// <summary><c>meshctl proxy-config</c>: what a proxy was told, from the proxy itself or from a saved dump.</summary>
internal static class ProxyConfigCommand
{
    private static readonly Flag File = Flag.Text("file", "configuration dump of a proxy, instead of a running one; - reads the standard input", 'f');
    private static readonly Flag Output = Flag.Text("output", "one of json|yaml|short", 'o', "short");
    private static readonly Flag Verbose = Flag.Switch("verbose", "show more of each entry", on: true);
    private static readonly Flag Address = Flag.Text("address", "show only entries with this address");
    private static readonly Flag Port = Flag.Number("port", "show only entries with this port");

    public static Command Command { get; } = new("proxy-config", "A group of commands used to retrieve information about proxy configuration from the Envoy config dump")
    {
        Aliases = ["pc"],
        Commands =
        [
            Verb("cluster", ["clusters", "c"], "Clusters that the proxy knows", Clusters,
                Flag.Text("fqdn", "show only clusters whose host contains this"), Port, Flag.Text("subset", "show only clusters of this subset"), Flag.Text("direction", "show only clusters of this direction: inbound or outbound")),
            Verb("listener", ["listeners", "l"], "Listeners and their filter chains", Listeners, Address, Port, Flag.Text("type", "show only listeners of this type: HTTP, TCP, HTTP+TCP"), Verbose),
            Verb("route", ["routes", "r"], "Routes by virtual host", Routes, Flag.Text("name", "show only the route configuration of this name"), Verbose),
            Verb("endpoint", ["endpoints", "ep"], "Addresses of each cluster and their health", Endpoints,
                Address, Port, Flag.Text("cluster", "show only endpoints of this cluster"), Flag.Text("status", "show only endpoints with this status: healthy, unhealthy …")),
            Verb("eds", [], "Endpoints as they stand in the configuration", Assignments,
                Address, Port, Flag.Text("cluster", "show only endpoints of this cluster"), Flag.Text("status", "show only endpoints with this status")) with { Hidden = true },
            Verb("secret", ["secrets", "s"], "Certificates and trusted roots", Secrets),
            Verb("bootstrap", ["b"], "What the proxy started with", Bootstrap) with { Flags = [File, Output with { Default = "json" }] },
            Verb("ecds", ["ec"], "Typed extension configurations", Extensions),
            new("log", "Show or set the log levels of a proxy")
            {
                Arguments = "[<type>/]<name>[.<namespace>]",
                Aliases = ["o"],
                Flags = [Flag.Text("level", "level for all loggers, or name:level, several with commas: http:debug,tcp:info"), Flag.Text("selector", "label selector", 'l'), Flag.Switch("reset", "back to the default level (warning)", 'r'), Output],
                Run = LogAsync,
            },
            Verb("all", ["a"], "All of the above", All,
                Verbose, Address, Port, Flag.Text("fqdn", "show only clusters whose host contains this"), Flag.Text("subset", "show only clusters of this subset"),
                Flag.Text("direction", "show only clusters of this direction"), Flag.Text("type", "show only listeners of this type"), Flag.Text("name", "show only the route configuration of this name"), Flag.Switch("with-headers", "put a title above each table")),
        ],
    };

    private static readonly string[] LogLevels = ["trace", "debug", "info", "warning", "warn", "error", "critical", "off"];

    private delegate Outcome Show(Invocation invocation, string text);

    private static Command Verb(string name, IReadOnlyList<string> aliases, string about, Show show, params Flag[] flags) => new(name, about)
    {
        Arguments = "[<type>/]<name>[.<namespace>]",
        Aliases = aliases,
        Flags = [File, Output, .. flags],
        Run = (invocation, cancel) => RunAsync(name, show, invocation, cancel),
    };

    private static async Task<Outcome> RunAsync(string verb, Show show, Invocation invocation, CancellationToken cancel)
    {
        if (invocation.Arguments.Count > 1 || (invocation.Arguments.Count == 1) == invocation.IsGiven("file"))
        {
            Help.Write(invocation.Command, invocation.Path, invocation.Error);
            return Outcome.Failed($"{(verb == "endpoint" ? "endpoints" : verb)} requires pod name or --file parameter");
        }

        try
        {
            var text = invocation.IsGiven("file")
                ? await ReadFileAsync(invocation, cancel)
                : await ProxyAdmin.GetAsync(invocation, invocation.Arguments[0], verb == "endpoint" ? "clusters?format=json" : "config_dump?include_eds", cancel);
            return invocation.Text("output") is "json" or "yaml" or "short" ? show(invocation, text) : Outcome.Failed($"output format \"{invocation.Text("output")}\" not supported");
        }
        catch (ConfigDumpException e)
        {
            return Outcome.Failed(e.Message);
        }
    }

    private static async Task<string> ReadFileAsync(Invocation invocation, CancellationToken cancel)
    {
        var file = invocation.Text("file");
        if (file == "-") return await invocation.Terminal.In.ReadToEndAsync(cancel);
        try
        {
            return await System.IO.File.ReadAllTextAsync(file, cancel);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new ConfigDumpException($"open {file}: no such file or directory", e);
        }
    }

    private static async Task<Outcome> LogAsync(Invocation invocation, CancellationToken cancel)
    {
        if (invocation.Arguments.Count != 1)
        {
            Help.Write(invocation.Command, invocation.Path, invocation.Error);
            return Outcome.Failed("log requires pod name or --selector");
        }
        if (invocation.Is("reset") && invocation.Text("level").Length > 0)
        {
            Help.Write(invocation.Command, invocation.Path, invocation.Error);
            return Outcome.Failed("--level cannot be combined with --reset");
        }
        if (invocation.Text("output") is not ("short" or "")) return Outcome.Failed("--output is not applicable for this command");

        var wanted = invocation.Is("reset") ? "warning" : invocation.Text("level");
        var parts = wanted.Length == 0 ? [] : wanted.Split(',').Select(part => part.Split(':', '=') is [var logger, var level] ? (Logger: logger, Level: level) : (Logger: "level", Level: part)).ToList();
        if (parts.Find(part => !LogLevels.Contains(part.Level)) is { Level: { } unknown }) return Outcome.Failed($"unrecognized logging level: {unknown}");

        var levels = parts.Count == 0 ? [""] : parts.Select(part => $"?{part.Logger}={(part.Level == "warn" ? "warning" : part.Level)}");
        try
        {
            var answer = "";
            foreach (var query in levels) answer = await ProxyAdmin.PostAsync(invocation, invocation.Arguments[0], $"logging{query}", cancel);
            await invocation.Out.WriteLineAsync(answer.TrimEnd());
            return Outcome.Fine;
        }
        catch (ConfigDumpException e)
        {
            return Outcome.Failed(e.Message);
        }
    }

    private static Outcome Clusters(Invocation invocation, string text) =>
        Print(invocation, ClusterTable.Select(ConfigDump.Parse(text), ClusterFilterOf(invocation)), clusters => ClusterTable.Of(clusters));

    private static Outcome Listeners(Invocation invocation, string text) =>
        Print(invocation, ListenerTable.Select(ConfigDump.Parse(text), ListenerFilterOf(invocation)),
            listeners => invocation.Is("verbose") ? ListenerTable.Of(listeners) : ListenerTable.Short(listeners));

    private static Outcome Routes(Invocation invocation, string text) =>
        Print(invocation, RouteTable.Select(ConfigDump.Parse(text), invocation.Text("name")),
            routes => invocation.Is("verbose") ? RouteTable.Of(routes) : RouteTable.Short(routes));

    private static Outcome Endpoints(Invocation invocation, string text)
    {
        var filter = new EndpointFilter(invocation.Text("address"), invocation.Number("port"), invocation.Text("cluster"), invocation.Text("status"));
        var clusters = ParseClusters(text);
        return Print(invocation, [.. EndpointTable.ClustersOf(clusters, filter)], _ => EndpointTable.Of(EndpointTable.Select(clusters, filter)));
    }

    private static Outcome Assignments(Invocation invocation, string text)
    {
        var filter = new EndpointFilter(invocation.Text("address"), invocation.Number("port"), invocation.Text("cluster"), invocation.Text("status"));
        return Print(invocation, EndpointTable.Assignments(ConfigDump.Parse(text), filter), assignments => EndpointTable.OfAssignments(assignments));
    }

    private static Outcome Secrets(Invocation invocation, string text)
    {
        var dump = ConfigDump.Parse(text);
        if (Structured(invocation)) return PrintNode(invocation, WithoutType(dump.SecretsSection));
        SecretTable.Of(dump, invocation.Terminal.Time.GetUtcNow()).Write(invocation.Out);
        return Outcome.Fine;
    }

    private static Outcome Bootstrap(Invocation invocation, string text)
    {
        var dump = ConfigDump.Parse(text);
        if (Structured(invocation))
            return PrintNode(invocation, WithoutType(dump.Bootstrap));
        BootstrapSummary.Of(dump).Write(invocation.Out);
        return Outcome.Fine;
    }

    private static Outcome Extensions(Invocation invocation, string text)
    {
        const string TypePrefix = "type.googleapis.com/";
        var section = ConfigDump.Parse(text).ExtensionsSection;
        if (Structured(invocation)) return PrintNode(invocation, WithoutType(section));

        var filters = section.Items("ecds_filters").Select(entry => entry.Get("ecds_filter"))
            .Select(filter => (Name: filter.Text("name"), Type: filter.Text("typed_config", "@type") is var type && type.StartsWith(TypePrefix, StringComparison.Ordinal) ? type[TypePrefix.Length..] : type));
        var table = new Table(gap: 5).Add("ECDS NAME", "TYPE");
        foreach (var (name, type) in filters.OrderBy(filter => filter.Type, StringComparer.Ordinal).ThenBy(filter => filter.Name, StringComparer.Ordinal)) table.Add(name, type);
        table.Write(invocation.Out);
        return Outcome.Fine;
    }

    private static Outcome All(Invocation invocation, string text)
    {
        var dump = ConfigDump.Parse(text);
        if (Structured(invocation)) return PrintNode(invocation, JsonNode.Parse(text)); // as the proxy has it, in its own spelling

        var (verbose, to) = (invocation.Is("verbose"), invocation.Out);
        var listeners = ListenerTable.Select(dump, ListenerFilterOf(invocation));
        var routes = RouteTable.Select(dump, invocation.Text("name"));
        Section("BOOTSTRAP", BootstrapSummary.Of(dump));
        Section("CLUSTER", ClusterTable.Of(ClusterTable.Select(dump, ClusterFilterOf(invocation)), "cluster/"));
        Section("LISTENER", verbose ? ListenerTable.Of(listeners, "listener/") : ListenerTable.Short(listeners, "listener/"));
        Section("ROUTE", verbose ? RouteTable.Of(routes, "route/") : RouteTable.Short(routes, "route/"));
        Section("SECRET", SecretTable.Of(dump, invocation.Terminal.Time.GetUtcNow(), "secret/"));
        Section("ENDPOINTS", EndpointTable.OfAssignments(EndpointTable.Assignments(dump, new(invocation.Text("address"), invocation.Number("port"), "", "")), "endpoint/"));
        return Outcome.Fine;

        void Section(string title, Table table)
        {
            if (title != "BOOTSTRAP") to.WriteLine();
            if (invocation.Is("with-headers")) to.WriteLine($"------ {title} INFO ------\n");
            table.Write(to);
        }
    }

    private static Outcome Print(Invocation invocation, IReadOnlyList<JsonNode> selected, Func<IReadOnlyList<JsonNode>, Table> table)
    {
        if (Structured(invocation)) return PrintNode(invocation, new JsonArray([.. selected.Select(WithoutType)]));
        table(selected).Write(invocation.Out);
        return Outcome.Fine;
    }

    /// <summary>An entry of a list is what the list says; only what stands in an Any names its type.</summary>
    private static JsonNode? WithoutType(JsonNode node)
    {
        var camel = Proto.ToCamel(node);
        if (camel is JsonObject map) map.Remove("@type");
        return camel;
    }

    private static Outcome PrintNode(Invocation invocation, JsonNode? node)
    {
        if (invocation.Text("output") == "yaml") invocation.Out.Write(YamlText.Of(node));
        else invocation.Out.WriteLine(JsonText.Of(node));
        return Outcome.Fine;
    }

    private static bool Structured(Invocation invocation) => invocation.Text("output") is "json" or "yaml";

    private static ClusterFilter ClusterFilterOf(Invocation invocation) =>
        new(invocation.Text("fqdn"), invocation.Number("port"), invocation.Text("subset"), invocation.Text("direction"));

    private static ListenerFilter ListenerFilterOf(Invocation invocation) =>
        new(invocation.Text("address"), invocation.Number("port"), invocation.Text("type"));

    private static JsonNode? ParseClusters(string text)
    {
        try
        {
            return JsonNode.Parse(text);
        }
        catch (JsonException e)
        {
            throw new ConfigDumpException($"error unmarshalling config dump response from Envoy: {e.Message}", e);
        }
    }
}
