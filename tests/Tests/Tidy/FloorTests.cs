using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Mesh.Tests.Tidy;

/// <summary>Who may import whom (ARCHITECTURE.md, "Floors"). A red test here means that a dependency goes the wrong way.</summary>
public sealed class FloorTests
{
    public static TheoryData<string, string> AllowedProjectReferences => new()
    {
        { "Net", "" },
        { "Http", "" },
        { "Xds", "" },
        { "Injector", "" },
        { "Kube", "" },
        { "Model", "Xds" },
        { "Proxy", "Net Http Xds" },
        { "ControlPlane", "Injector Kube Model Xds" },
        { "Cli", "Injector Kube Model Xds" },
    };

    [Theory, MemberData(nameof(AllowedProjectReferences))]
    public void A_project_refers_only_to_the_floors_below(string project, string allowed)
    {
        var references = XDocument.Load(Path.Combine(Source.Root, "src", project, $"Mesh.{project}.csproj"))
            .Descendants("ProjectReference")
            .Select(r => Path.GetFileNameWithoutExtension(r.Attribute("Include")!.Value)["Mesh.".Length..]);

        Assert.Empty(references.Except(allowed.Split(' ')));
    }

    [Theory]
    [InlineData("Proxy", @"^src/Proxy/(Config/\w*FromXds\w*\.cs|Control/|Observe/Otlp)")]
    [InlineData("Model", @"^src/Model/Translate/")]
    [InlineData("ControlPlane", @"^src/ControlPlane/(Serve|Ca)/")]
    [InlineData("Cli", @"^$")]
    public void Protobuf_types_stop_at_the_door(string project, string doors)
    {
        var offenders = Source.Files($"src/{project}")
            .Where(file => !Regex.IsMatch(file, doors))
            .Where(file => Regex.IsMatch(Source.Text(file), @"^using\s+(\w+\s*=\s*)?(Envoy|Google\.Protobuf|Istio|Xds\.|Udpa)\b", RegexOptions.Multiline));

        Assert.Equal([], offenders);
    }
}
