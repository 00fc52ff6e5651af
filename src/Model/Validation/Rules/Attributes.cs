using System.Buffers;
using System.Globalization;

namespace Mesh.Model.Validation.Rules;

/// <summary>The attributes an AuthorizationPolicy may ask for, and the values they take.</summary>
internal static class Attributes
{
    private const int ServiceAccountsMax = 16;
    private const int ServiceAccountLengthMax = 320;
    private static readonly SearchValues<char> PathCharacters =
        SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~%!$&'()+,;:@=");

    public static string? EmptyValue(string where, IReadOnlyList<string> values) => values.Contains("") ? $"empty value not allowed, found in {where}" : null;

    public static IReadOnlyList<string> IpProblems(IReadOnlyList<string> values)
    {
        var problems = new List<string>();
        foreach (var value in values)
        {
            if (value.Contains('/'))
            {
                if (Names.CidrProblem(value) is { } problem) problems.Add($"bad CIDR range ({value}): {problem}");
            }
            else if (!Names.IsIp(value))
            {
                problems.Add($"bad IP address ({value})");
            }
        }
        return problems;
    }

    public static IReadOnlyList<string> PortProblems(IReadOnlyList<string> values)
    {
        var problems = new List<string>();
        foreach (var value in values)
        {
            var isNumber = value.Length > 0 && value.All(char.IsAsciiDigit);
            if (!isNumber) problems.Add($"bad port ({value}): strconv.ParseUint: parsing \"{value}\": invalid syntax");
            else if (!uint.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var port)) problems.Add($"bad port ({value}): strconv.ParseUint: parsing \"{value}\": value out of range");
            else if (port > 65535) problems.Add($"bad port ({value}): <nil>");
        }
        return problems;
    }

    public static string? Wildcards(string where, IReadOnlyList<string> values)
    {
        if (EmptyValue(where, values) is { } empty) return empty;
        foreach (var value in values)
        {
            var stars = value.Count(c => c == '*');
            if (stars > 1) return $"at most one wildcard is allowed, found in {where}: \"{value}\"";
            if (stars == 1 && !value.StartsWith('*') && !value.EndsWith('*')) return $"wildcard is only allowed at the start or end, found in {where}: \"{value}\"";
        }
        return null;
    }

    public static string? TrustDomains(string where, IReadOnlyList<string> values) =>
        Wildcards(where, values) ?? (values.FirstOrDefault(v => v.Contains('/')) is { } value ? $"trust domain must not contain '/', found in {where}: \"{value}\"" : null);

    public static string? ServiceAccounts(string where, IReadOnlyList<string> values)
    {
        const string Expected = "expected format 'serviceAccount' or 'namespace/serviceAccount', found";
        if (values.Count > ServiceAccountsMax) return $"may not have more than {ServiceAccountsMax} values";
        foreach (var value in values)
        {
            if (value.Length == 0) return $"empty value not allowed, found in {where}";
            if (value.Contains('*')) return $"wildcard not allowed, found in {where}";
            if (value.Count(c => c == '/') > 1) return $"{Expected} \"{value}\" in {where}";
            if (value.Length > ServiceAccountLengthMax) return $"value cannot exceed {ServiceAccountLengthMax} characters, found \"{value}\" in {where}";
            if (value[0] == '/') return $"{Expected} empty namespace \"{value}\" in {where}";
            if (value[^1] == '/') return $"{Expected} empty serviceAccount \"{value}\" in {where}";
        }
        return null;
    }

    /// <summary>Paths with {*} for one segment and {**} for the rest.</summary>
    public static string? PathTemplates(string where, IReadOnlyList<string> paths)
    {
        foreach (var given in paths)
        {
            var isTemplate = given.Contains("{*}", StringComparison.Ordinal) || given.Contains("{**}", StringComparison.Ordinal);
            var path = given.Trim('/');
            var restSeen = false;
            foreach (var segment in path.Split('/'))
            {
                if (segment is "{*}" or "{**}")
                {
                    if (restSeen) return $"invalid or unsupported path {path}, found in {where}. {{**}} is not the last operator";
                    restSeen = segment == "{**}";
                    continue;
                }
                if (segment.AsSpan().IndexOfAny('{', '}') >= 0)
                    return $"invalid or unsupported path {path}, found in {where}. Contains '{{' or '}}' beyond a supported path template";
                if (isTemplate && (segment.Length == 0 || segment.AsSpan().IndexOfAnyExcept(PathCharacters) >= 0))
                    return $"invalid or unsupported path {path}, found in {where}. Contains segment {segment} with invalid string literal";
            }
        }
        return null;
    }

    /// <summary>A condition's key with its values.</summary>
    public static string? Problem(string key, IReadOnlyList<string> values)
    {
        if (EmptyValue(key, values) is { } empty) return empty;
        return key switch
        {
            _ when Starts("request.headers") || Starts("request.auth.claims") || Starts("experimental.envoy.filters.") => MapKey(key),
            "source.ip" or "remote.ip" or "destination.ip" => Several(IpProblems(values)),
            "source.serviceAccount" => ServiceAccounts(key, values),
            "source.trustDomain" => Wildcards(key, values),
            "destination.port" => Several(PortProblems(values)),
            "source.namespace" or "source.principal" or "request.auth.principal" or "request.auth.audiences" or "request.auth.presenter" or "connection.sni" => null,
            "destination.namespace" => $"attribute {key} is replaced by the metadata.namespace",
            _ when Starts("destination.labels") => $"attribute {key} is replaced by the workload selector",
            "destination.name" or "destination.user" => $"deprecated attribute {key}: only supported in v1alpha1",
            _ => $"unknown attribute: {key}",
        };

        bool Starts(string prefix) => key.StartsWith(prefix, StringComparison.Ordinal);
    }

    private static string? Several(IReadOnlyList<string> problems) => problems.Count == 0 ? null : GoErrors.Several(problems);

    private static string? MapKey(string key)
    {
        var open = key.IndexOf('[', StringComparison.Ordinal);
        return key.EndsWith(']') && open > 0 && open < key.Length - 2 ? null : $"bad key ({key}): should have format a[b]";
    }
}
