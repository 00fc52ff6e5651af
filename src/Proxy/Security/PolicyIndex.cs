using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Text;
using Mesh.Http;
using Mesh.Proxy.Config;

namespace Mesh.Proxy.Security;

/// <summary>
/// For each thing that policies ask about, a row of bits per value: the policies that could match a request with that value. Intersecting five rows
/// leaves the policies worth evaluating. A policy that does not say which values it wants stands in every row, so the index can only be too generous.
/// </summary>
internal sealed class PolicyIndex
{
    private const int KeyBytesMax = 512;

    private readonly ulong[] everyone;
    private readonly Dimension methods, paths, segments, hosts, ports, principals, namespaces;

    public PolicyIndex(ImmutableArray<AuthorizationPolicy> policies)
    {
        Words = Math.Max(1, (policies.Length + 63) / 64);
        everyone = new ulong[Words];
        for (var i = 0; i < policies.Length; i++) everyone[i / 64] |= 1UL << i;
        methods = new(policies, Words, rule => ExactHeader(rule, ":method", ignoreCase: false));
        paths = new(policies, Words, rule => rule is { Kind: AuthorizationRuleKind.Path, Text: { Kind: StringMatchKind.Exact, IgnoreCase: false } text } ? text.Text : null);
        segments = new(policies, Words, FirstSegment);
        hosts = new(policies, Words, rule => ExactHeader(rule, ":authority", ignoreCase: true)?.ToLowerInvariant());
        ports = new(policies, Words, rule => rule.Kind == AuthorizationRuleKind.DestinationPort ? rule.Ports.Start.ToString(System.Globalization.CultureInfo.InvariantCulture) : null);
        principals = new(policies, Words, ExactPrincipal);
        namespaces = new(policies, Words, NamespaceOf);
    }

    /// <summary>How many words a row of bits takes.</summary>
    public int Words { get; }

    /// <summary>Sets the bits of policies that could match.</summary>
    public void Candidates(in AuthorizationInput input, Span<ulong> bits)
    {
        everyone.CopyTo(bits);
        var client = input.Client;
        Span<char> text = stackalloc char[KeyBytesMax];
        if (ports.IsUsed && client.Destination.Port.TryFormat(text, out var digits)) ports.Narrow(text[..digits], bits);
        if (principals.IsUsed || namespaces.IsUsed)
        {
            // A certificate may carry several names; then every policy stays a candidate.
            var peer = client.Peer is { IsValidated: true } valid ? valid : null;
            if (peer is null or { Uris.Length: 1 })
            {
                principals.Narrow(peer?.SpiffeId ?? "", bits);
                namespaces.Narrow(peer?.Namespace ?? "", bits);
            }
        }
        if (input.Request is not { } request) return;

        if (methods.IsUsed && TryText(request.MethodName, text, out var method)) methods.Narrow(method, bits);
        if (hosts.IsUsed && TryText(request.Authority, text, out var host))
        {
            for (var i = 0; i < host.Length; i++) host[i] = char.ToLowerInvariant(host[i]);
            hosts.Narrow(host, bits);
        }
        if (paths.IsUsed && TryText(request.PathOnly, text, out var path)) paths.Narrow(path, bits);
        if (segments.IsUsed && TryText(SegmentOf(request.PathOnly), text, out var segment)) segments.Narrow(segment, bits);
    }

    // Text that is not ASCII is left to the rules themselves.
    private static bool TryText(ReadOnlySpan<byte> bytes, Span<char> room, out Span<char> text)
    {
        text = room[..Math.Min(room.Length, bytes.Length)];
        if (bytes.Length > room.Length || !Ascii.IsValid(bytes)) return false;

        Encoding.ASCII.GetChars(bytes, room);
        return true;
    }

    private static ReadOnlySpan<byte> SegmentOf(ReadOnlySpan<byte> path)
    {
        if (path.IsEmpty || path[0] != '/') return path;
        var end = path[1..].IndexOf((byte)'/');
        return end < 0 ? path[1..] : path.Slice(1, end);
    }

    private static string? ExactHeader(AuthorizationRule rule, string name, bool ignoreCase) =>
        rule is { Kind: AuthorizationRuleKind.Header, Header: { Kind: HeaderMatchKind.Value, Invert: false, TreatMissingAsEmpty: false } header }
        && header.Name == name && header.Value is { Kind: StringMatchKind.Exact } value && (!value.IgnoreCase || ignoreCase) ? value.Text : null;

    // An exact path, or a prefix that reaches beyond its first segment, fixes that segment.
    private static string? FirstSegment(AuthorizationRule rule)
    {
        if (rule is not { Kind: AuthorizationRuleKind.Path, Text: { IgnoreCase: false } text } || !text.Text.StartsWith('/')) return null;
        var end = text.Text.IndexOf('/', 1);
        return text.Kind switch
        {
            StringMatchKind.Exact => end < 0 ? text.Text[1..] : text.Text[1..end],
            StringMatchKind.Prefix when end > 0 => text.Text[1..end],
            _ => null,
        };
    }

    private static string? ExactPrincipal(AuthorizationRule rule) => PrincipalText(rule) is { Kind: StringMatchKind.Exact, IgnoreCase: false } text ? text.Text : null;

    // Istio writes "source.namespaces: [x]" as the pattern ".*/ns/x/.*"; on an identity of Istio's form that is the namespace x.
    private static string? NamespaceOf(AuthorizationRule rule)
    {
        const string before = ".*/ns/", after = "/.*";
        if (PrincipalText(rule) is not { Kind: StringMatchKind.Regex } text || !text.Text.StartsWith(before, StringComparison.Ordinal) || !text.Text.EndsWith(after, StringComparison.Ordinal)) return null;

        var name = text.Text[before.Length..^after.Length];
        return name.Length > 0 && name.All(c => char.IsAsciiLetterOrDigit(c) || c == '-') ? name : null;
    }

    private static StringMatch? PrincipalText(AuthorizationRule rule) =>
        rule.Kind == AuthorizationRuleKind.Authenticated || rule is { Kind: AuthorizationRuleKind.FilterState, Key: "io.istio.peer_principal" } ? rule.Text : null;

    /// <summary>One thing asked about.</summary>
    private sealed class Dimension
    {
        private readonly FrozenDictionary<string, ulong[]> rows;
        private readonly FrozenDictionary<string, ulong[]>.AlternateLookup<ReadOnlySpan<char>> byText;
        private readonly ulong[] indifferent;

        public Dimension(ImmutableArray<AuthorizationPolicy> policies, int words, Func<AuthorizationRule, string?> valueOf)
        {
            indifferent = new ulong[words];
            var found = new Dictionary<string, ulong[]>(StringComparer.Ordinal);
            for (var i = 0; i < policies.Length; i++)
            {
                var wanted = Both(AnyOf(policies[i].Permissions, valueOf), AnyOf(policies[i].Principals, valueOf));
                if (wanted is null)
                {
                    indifferent[i / 64] |= 1UL << i;
                    continue;
                }
                foreach (var value in wanted)
                {
                    if (!found.TryGetValue(value, out var row)) found[value] = row = new ulong[words];
                    row[i / 64] |= 1UL << i;
                }
            }
            rows = found.ToFrozenDictionary(StringComparer.Ordinal);
            byText = rows.GetAlternateLookup<ReadOnlySpan<char>>();
        }

        public bool IsUsed => rows.Count > 0;

        public void Narrow(ReadOnlySpan<char> value, Span<ulong> bits)
        {
            if (rows.Count == 0) return;
            byText.TryGetValue(value, out var row);
            for (var i = 0; i < bits.Length; i++) bits[i] &= indifferent[i] | (row is null ? 0 : row[i]);
        }

        // Null: any value. An empty set would mean that the policy can never match.
        private static HashSet<string>? Values(AuthorizationRule rule, Func<AuthorizationRule, string?> valueOf) => rule.Kind switch
        {
            AuthorizationRuleKind.And => rule.Inner.Aggregate((HashSet<string>?)null, (set, inner) => Both(set, Values(inner, valueOf))),
            AuthorizationRuleKind.Or => AnyOf(rule.Inner, valueOf),
            _ => valueOf(rule) is { } value ? [value] : null,
        };

        private static HashSet<string>? AnyOf(ImmutableArray<AuthorizationRule> rules, Func<AuthorizationRule, string?> valueOf)
        {
            HashSet<string>? all = null;
            foreach (var rule in rules)
            {
                if (Values(rule, valueOf) is not { } some) return null;
                (all ??= []).UnionWith(some);
            }
            return all;
        }

        private static HashSet<string>? Both(HashSet<string>? a, HashSet<string>? b)
        {
            if (a is null) return b;
            if (b is null) return a;
            a.IntersectWith(b);
            return a;
        }
    }
}
