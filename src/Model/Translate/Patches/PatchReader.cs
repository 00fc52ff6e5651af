using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Envoy.Config.Cluster.V3;
using Envoy.Config.Listener.V3;
using Envoy.Config.Route.V3;
using Envoy.Extensions.Filters.Network.HttpConnectionManager.V3;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Mesh.Model.Resources;
using Mesh.Model.Yaml;
using Filter = Envoy.Config.Listener.V3.Filter;

namespace Mesh.Model.Translate;

/// <summary>
/// EnvoyFilter patches to protobuf. What is not understood (an unknown filter type, an unknown field, a kind of patch that has no meaning here)
/// is refused by itself, with the reason; the rest of the resource works on.
/// </summary>
public static class PatchReader
{
    /// <summary>The release whose behaviour this is, for patches that are meant for some releases only.</summary>
    private const string Release = "1.32.0";

    private static readonly Lazy<JsonParser> Parser = new(() => new(JsonParser.Settings.Default.WithTypeRegistry(TypeRegistry.FromFiles(KnownTypes.Files))));

    /// <summary>Why the patches of a resource that are left out are left out; empty when all of them hold.</summary>
    public static IReadOnlyList<FieldIssue> Check(EnvoyFilter filter)
    {
        Read(filter, out var issues);
        return issues;
    }

    internal static ImmutableArray<ReadPatch> Read(EnvoyFilter filter, out List<FieldIssue> issues)
    {
        issues = [];
        var read = ImmutableArray.CreateBuilder<ReadPatch>();
        for (var i = 0; i < filter.Patches.Length; i++)
        {
            var patch = filter.Patches[i];
            var path = $"spec.configPatches[{i}]";
            if (Empty(patch) is not { } empty)
            {
                issues.Add(new(filter.Meta.Origin, $"{path}.applyTo", $"patches of {patch.ApplyTo} are not supported: applies to listeners, filters, clusters and routes only"));
                continue;
            }
            if (Unmet(patch) is { } unmet)
            {
                issues.Add(new(filter.Meta.Origin, $"{path}.match.{unmet.Field}", unmet.Reason));
                continue;
            }
            if (patch.Match["proxy"].Text("proxyVersion") is { Length: > 0 } version && !IsForThisRelease(version, out var broken))
            {
                if (broken is not null) issues.Add(new(filter.Meta.Origin, $"{path}.match.proxy.proxyVersion", broken));
                continue;
            }
            if (patch.Operation == PatchOperation.Remove)
            {
                read.Add(new(filter, patch.ApplyTo, patch.Context, patch.Operation, patch.Match, null));
                continue;
            }
            if (patch.Value is null)
            {
                issues.Add(new(filter.Meta.Origin, $"{path}.patch.value", "is missing"));
                continue;
            }
            try
            {
                read.Add(new(filter, patch.ApplyTo, patch.Context, patch.Operation, patch.Match, Parser.Value.Parse(Json(patch.Value), empty)));
            }
            catch (InvalidProtocolBufferException e)
            {
                issues.Add(new(patch.Value.Origin, $"{path}.patch.value", $"is not supported: {e.Message}"));
            }
            catch (InvalidOperationException e)
            {
                issues.Add(new(patch.Value.Origin, $"{path}.patch.value", $"is not supported: {e.Message}"));
            }
        }
        return read.ToImmutable();
    }

    /// <summary>A condition that cannot be looked at here; without it the patch would reach more proxies than was meant.</summary>
    private static (string Field, string Reason)? Unmet(EnvoyPatch patch)
    {
        if (patch.Match["proxy"].Has("metadata")) return ("proxy.metadata", "is not supported: choose proxies by the labels of spec.workloadSelector");
        return patch.Context == "WAYPOINT" || patch.Match.Has("waypoint") ? ("context", "is not supported: there are no waypoints here") : null;
    }

    /// <param name="broken">Why the pattern says nothing, or null.</param>
    private static bool IsForThisRelease(string version, out string? broken)
    {
        broken = null;
        try
        {
            return Regex.IsMatch(Release, version, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            broken = $"is no pattern: {e.Message}";
            return false;
        }
    }

    /// <returns>Null for a kind of patch that does not apply here.</returns>
    private static MessageDescriptor? Empty(EnvoyPatch patch) => patch.ApplyTo switch
    {
        "HTTP_FILTER" => HttpFilter.Descriptor,
        "NETWORK_FILTER" => Filter.Descriptor,
        "LISTENER_FILTER" => ListenerFilter.Descriptor,
        "FILTER_CHAIN" => FilterChain.Descriptor,
        "LISTENER" => Listener.Descriptor,
        "CLUSTER" => Cluster.Descriptor,
        "ROUTE_CONFIGURATION" => RouteConfiguration.Descriptor,
        "VIRTUAL_HOST" => VirtualHost.Descriptor,
        "HTTP_ROUTE" => Route.Descriptor,
        _ => null,
    };

    private static string Json(Node node)
    {
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer)) Write(writer, node);
        return Encoding.UTF8.GetString(buffer.ToArray());
    }

    private static void Write(Utf8JsonWriter writer, Node node)
    {
        switch (node)
        {
            case MapNode map:
                writer.WriteStartObject();
                foreach (var (key, value) in map.Fields)
                {
                    writer.WritePropertyName(key);
                    Write(writer, value);
                }
                writer.WriteEndObject();
                break;
            case ListNode list:
                writer.WriteStartArray();
                foreach (var item in list.Items) Write(writer, item);
                writer.WriteEndArray();
                break;
            case ScalarNode { IsNull: true }:
                writer.WriteNullValue();
                break;
            case ScalarNode { IsQuoted: false, Text: "true" or "True" or "TRUE" }:
                writer.WriteBooleanValue(true);
                break;
            case ScalarNode { IsQuoted: false, Text: "false" or "False" or "FALSE" }:
                writer.WriteBooleanValue(false);
                break;
            case ScalarNode { IsQuoted: false } scalar when double.TryParse(scalar.Text, System.Globalization.CultureInfo.InvariantCulture, out var number) && double.IsFinite(number):
                writer.WriteNumberValue(number);
                break;
            case ScalarNode scalar:
                writer.WriteStringValue(scalar.Text);
                break;
        }
    }
}
