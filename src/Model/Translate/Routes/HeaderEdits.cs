using System.Collections.Immutable;
using Envoy.Config.Core.V3;
using Google.Protobuf.Collections;
using Mesh.Model.Resources;

namespace Mesh.Model.Translate;

/// <summary>Header set, add and remove; a set or add of the authority becomes a rewrite of the host.</summary>
internal static class HeaderEdits
{
    public static void Apply(
        HeaderChanges? changes, RepeatedField<HeaderValueOption> requestAdd, RepeatedField<string> requestRemove, RepeatedField<HeaderValueOption> responseAdd,
        RepeatedField<string> responseRemove)
    {
        if (changes?.Request is { } request)
        {
            Add(requestAdd, request.Set, HeaderValueOption.Types.HeaderAppendAction.OverwriteIfExistsOrAdd);
            Add(requestAdd, request.Add, HeaderValueOption.Types.HeaderAppendAction.AppendIfExistsOrAdd);
            requestRemove.Add(request.Remove.Where(name => !IsInternal(name)));
        }
        if (changes?.Response is { } response)
        {
            Add(responseAdd, response.Set, HeaderValueOption.Types.HeaderAppendAction.OverwriteIfExistsOrAdd);
            Add(responseAdd, response.Add, HeaderValueOption.Types.HeaderAppendAction.AppendIfExistsOrAdd);
            responseRemove.Add(response.Remove.Where(name => !IsInternal(name)));
        }
    }

    /// <returns>Null when no change names the authority.</returns>
    public static string? Authority(HeaderChanges? changes)
    {
        if (changes?.Request is not { } request) return null;
        foreach (var (name, value) in request.Set)
            if (IsAuthority(name)) return value;
        foreach (var (name, value) in request.Add)
            if (IsAuthority(name)) return value;
        return null;
    }

    private static void Add(
        RepeatedField<HeaderValueOption> into, ImmutableArray<KeyValuePair<string, string>> headers, HeaderValueOption.Types.HeaderAppendAction action)
    {
        foreach (var (name, value) in headers)
            if (!IsInternal(name)) into.Add(new HeaderValueOption { Header = new() { Key = name, Value = value }, AppendAction = action });
    }

    private static bool IsAuthority(string name) => name.Equals(":authority", StringComparison.OrdinalIgnoreCase) || name.Equals("host", StringComparison.OrdinalIgnoreCase);

    /// <summary>Pseudo headers and Host cannot be edited as headers.</summary>
    private static bool IsInternal(string name) => name.StartsWith(':') || name.Equals("host", StringComparison.OrdinalIgnoreCase);
}
