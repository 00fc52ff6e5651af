using System.Text.RegularExpressions;
using Mesh.Model.Analysis;
using Mesh.Model.Schema;
using Mesh.Tests.Tidy;
using MessageType = Mesh.Model.Schema.MessageType;

namespace Mesh.Tests.Model.Schema;

/// <summary>No field is taken and silently forgotten: each is read somewhere, or its table says that it has no effect and the reference says what happens instead.</summary>
public sealed class EffectTests
{
    private static readonly string[] Readers = ["src/Model/Resources", "src/Model/World", "src/Model/Translate", "src/Injector", "src/ControlPlane"];
    private static readonly string[] Packages = ["networking", "mesh", "telemetry"]; // extensions do not run at all: their first field says it

    private static string ShortName(MessageType type) => Regex.Replace(type.Name, @"^istio\.(\w+)\.v\w+\.", "$1 ");

    [Fact]
    public void A_field_is_read_or_marked()
    {
        var source = string.Concat(Readers.SelectMany(folder => Source.Files(folder, "*.cs")).Select(file => File.ReadAllText(Path.Combine(Source.Root, file))));
        var read = Regex.Matches(source, "\"(\\w+)\"").Select(match => match.Groups[1].Value).ToHashSet();

        var forgotten = Reached().Where(type => Packages.Contains(ShortName(type).Split(' ')[0]))
            .SelectMany(type => type.Fields.Where(field => !field.HasNoEffect && !IsToldOfTelemetries(field) && !read.Contains(field.Name)).Select(field => $"{ShortName(type)}.{field.Name}"));

        Assert.Empty(forgotten.Except(RefusedByValidation).Order());
    }

    [Fact]
    public void The_reference_lists_the_marked_fields()
    {
        var page = File.ReadAllText(Path.Combine(Source.Root, "docs/reference/fields-without-effect.md"));
        var listed = Regex.Matches(page, @"`((?:networking|mesh|telemetry|extensions) [\w.]+)`").Select(match => match.Groups[1].Value);

        Assert.Equal(Catalogue.Messages.SelectMany(type => type.Fields.Where(field => field.HasNoEffect).Select(field => $"{ShortName(type)}.{field.Name}")).Order(), listed.Order());
    }

    [Theory]
    [InlineData("networking.istio.io/v1", "DestinationRule", "{host: a, trafficPolicy: {outlierDetection: {consecutiveErrors: 3}}}", "spec.trafficPolicy.outlierDetection.consecutiveErrors")]
    [InlineData("networking.istio.io/v1", "VirtualService", "{hosts: [a], tcp: [{match: [{port: 1}, {sourceSubnet: 10.0.0.0/8}], route: [{destination: {host: a}}]}]}", "spec.tcp[0].match[1].sourceSubnet")]
    [InlineData("networking.istio.io/v1", "DestinationRule", "{host: a, trafficPolicy: {outlierDetection: {consecutive5xxErrors: 3}}}", null)]
    public void Whoever_sets_one_is_told(string version, string kind, string spec, string? path)
    {
        var resources = new ResourceSet();
        Assert.Empty(new ResourceReader(resources, "default").Read($"{{apiVersion: {version}, kind: {kind}, metadata: {{name: a, namespace: shop}}, spec: {spec}}}", "a.yaml"));

        var told = Analyst.Analyze(resources, TimeProvider.System, new()).Where(message => message.Type.Code == "MESH0004");

        Assert.Equal(path is null ? [] : [$"The field {path} has no effect: it is checked, but nothing in this mesh acts on it."], told.Select(message => message.Text));
    }

    /// <summary>Parts of a oneof that no resource may have.</summary>
    private static readonly string[] RefusedByValidation = ["networking HTTPFaultInjection.Abort.http2Error", "networking HTTPFaultInjection.Delay.exponentialDelay"];

    /// <summary>Kinds of providers that nothing writes to: a Telemetry that names one is told so (MESH0002).</summary>
    private static readonly string[] ToldOfTelemetries = ["lightstep", "datadog", "stackdriver", "opencensus", "skywalking", "envoyHttpAls", "envoyTcpAls"];

    private static bool IsToldOfTelemetries(Field field) => field.Oneof == "provider" && ToldOfTelemetries.Contains(field.Name);

    /// <summary>The shapes that a resource or the mesh's configuration can hold; what stands under a marked field is said by that.</summary>
    private static HashSet<MessageType> Reached()
    {
        var reached = new HashSet<MessageType>();
        var left = new Stack<MessageType>(Catalogue.Kinds.Select(kind => kind.Spec).Append(Catalogue.Message("istio.mesh.v1alpha1.MeshConfig")));
        while (left.TryPop(out var type))
        {
            if (!reached.Add(type)) continue;
            foreach (var field in type.Fields.Where(field => !field.HasNoEffect && !IsToldOfTelemetries(field)))
                if (field.Message is { } inner) left.Push(inner);
        }
        return reached;
    }
}
