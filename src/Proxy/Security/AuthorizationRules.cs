using System.Collections.Immutable;
using System.Net;
using System.Text;
using Mesh.Http;
using Mesh.Proxy.Config;
using Mesh.Proxy.Http;

namespace Mesh.Proxy.Security;

/// <summary>What an authorization rule may ask about: a connection, and the request on it if there is one.</summary>
internal readonly ref struct AuthorizationInput
{
    public AuthorizationInput(ClientConnection client)
    {
        (Client, RemoteAddress) = (client, client.Source.Address);
    }

    public AuthorizationInput(Exchange exchange)
    {
        (Client, Exchange, Request, RemoteAddress) = (exchange.Client, exchange, exchange.Request, exchange.Source.Address);
    }

    /// <summary>For tests and for what has no exchange: a request head beside its connection.</summary>
    public AuthorizationInput(ClientConnection client, RequestHead request, IPAddress remote)
    {
        (Client, Request, RemoteAddress) = (client, request, remote);
    }

    public ClientConnection Client { get; }
    public Exchange? Exchange { get; }
    /// <summary>Null on a TCP connection: then no rule about a request matches.</summary>
    public RequestHead? Request { get; }
    /// <summary>The original client as trusted proxies tell it.</summary>
    public IPAddress RemoteAddress { get; }
}

/// <summary>What the policies say of one request.</summary>
/// <param name="Policy">The first by name that matched; null when none did.</param>
internal readonly record struct AuthorizationVerdict(bool IsAllowed, CompiledPolicy? Policy);

/// <summary>
/// A set of policies made ready. An index over method, path, host, port and principal leaves only policies that can match, so a request costs the same
/// with ten policies as with a thousand that are not about it; those left are then evaluated word for word.
/// </summary>
internal sealed class AuthorizationRules
{
    private readonly CompiledPolicy[] policies;
    private readonly PolicyIndex index;

    private AuthorizationRules(AuthorizationPolicies settings)
    {
        Action = settings.Action;
        policies = [.. settings.Policies.Select((policy, i) => new CompiledPolicy(policy))];
        index = new(settings.Policies);
    }

    public AuthorizationAction Action { get; }

    public static AuthorizationRules Compile(AuthorizationPolicies settings) => new(settings);

    public AuthorizationVerdict Evaluate(in AuthorizationInput input)
    {
        var matched = FirstMatch(input);
        return new(Action switch
        {
            AuthorizationAction.Allow => matched is not null,
            AuthorizationAction.Deny => matched is null,
            _ => true,
        }, matched);
    }

    private CompiledPolicy? FirstMatch(in AuthorizationInput input)
    {
        if (policies.Length == 0) return null;

        Span<ulong> candidates = policies.Length <= 64 * 32 ? stackalloc ulong[32] : new ulong[index.Words];
        candidates = candidates[..index.Words];
        index.Candidates(input, candidates);
        for (var word = 0; word < candidates.Length; word++)
        {
            for (var bits = candidates[word]; bits != 0; bits &= bits - 1)
            {
                var policy = policies[word * 64 + System.Numerics.BitOperations.TrailingZeroCount(bits)];
                if (policy.IsMatch(input)) return policy;
            }
        }
        return null;
    }
}

/// <summary>One policy made ready, with the answer and the metadata that a match brings, composed once.</summary>
internal sealed class CompiledPolicy
{
    private readonly AuthorizationNode permission;
    private readonly AuthorizationNode principal;

    public CompiledPolicy(AuthorizationPolicy policy)
    {
        Name = policy.Name;
        permission = AuthorizationNode.AnyOf(policy.Permissions);
        principal = AuthorizationNode.AnyOf(policy.Principals);
        Denial = AuthorizationDenial.Of(policy.Name);
        NameValue = new() { Text = policy.Name };
    }

    public string Name { get; }
    public Failure Denial { get; }
    public MetadataValue NameValue { get; }

    public bool IsMatch(in AuthorizationInput input) => permission.IsMatch(input) && principal.IsMatch(input);
}

/// <summary>The answer to a request that was denied.</summary>
internal static class AuthorizationDenial
{
    /// <summary>No ALLOW policy matched.</summary>
    public static readonly Failure NoneMatched = Of("none");

    public static Failure Of(string policy) => new(FailureKind.AuthorizationDenied, Side.Local)
    {
        Answer = new(403, Failures.Unspaced($"rbac_access_denied_matched_policy[{policy}]")) { Body = "RBAC: access denied"u8.ToArray() },
    };
}

/// <summary>A rule's tree made ready.</summary>
internal abstract class AuthorizationNode
{
    public abstract bool IsMatch(in AuthorizationInput input);

    public static AuthorizationNode AnyOf(ImmutableArray<AuthorizationRule> rules) => rules.Length == 1 ? Compile(rules[0]) : new OrNode([.. rules.Select(Compile)]);

    private static AuthorizationNode Compile(AuthorizationRule rule) => rule.Kind switch
    {
        AuthorizationRuleKind.Any => new AnyNode(),
        AuthorizationRuleKind.And => new AndNode([.. rule.Inner.Select(Compile)]),
        AuthorizationRuleKind.Or => new OrNode([.. rule.Inner.Select(Compile)]),
        AuthorizationRuleKind.Not => new NotNode(Compile(rule.Inner[0])),
        AuthorizationRuleKind.Header => new HeaderNode(new(rule.Header!)),
        AuthorizationRuleKind.Path => new PathNode(rule.Text!),
        AuthorizationRuleKind.PathTemplate => new TemplateNode(PathTemplate.Compile(rule.Key)),
        AuthorizationRuleKind.DestinationIp => new DestinationNode(rule.Range),
        AuthorizationRuleKind.DestinationPort or AuthorizationRuleKind.DestinationPortRange => new PortNode(rule.Ports),
        AuthorizationRuleKind.ServerName => new ServerNameNode(rule.Text!),
        AuthorizationRuleKind.Metadata => new MetadataNode(rule.Metadata!),
        AuthorizationRuleKind.Authenticated => new AuthenticatedNode(rule.Text),
        AuthorizationRuleKind.SourceIp or AuthorizationRuleKind.DirectRemoteIp => new DirectAddressNode(rule.Range),
        AuthorizationRuleKind.RemoteIp => new RemoteAddressNode(rule.Range),
        AuthorizationRuleKind.FilterState => new FilterStateNode(rule.Key, rule.Text!),
        _ => throw new ArgumentOutOfRangeException(nameof(rule)),
    };

    private sealed class AnyNode : AuthorizationNode
    {
        public override bool IsMatch(in AuthorizationInput input) => true;
    }

    private sealed class AndNode(AuthorizationNode[] inner) : AuthorizationNode
    {
        public override bool IsMatch(in AuthorizationInput input)
        {
            foreach (var node in inner)
                if (!node.IsMatch(input)) return false;
            return true;
        }
    }

    private sealed class OrNode(AuthorizationNode[] inner) : AuthorizationNode
    {
        public override bool IsMatch(in AuthorizationInput input)
        {
            foreach (var node in inner)
                if (node.IsMatch(input)) return true;
            return false;
        }
    }

    private sealed class NotNode(AuthorizationNode inner) : AuthorizationNode
    {
        public override bool IsMatch(in AuthorizationInput input) => !inner.IsMatch(input);
    }

    private sealed class HeaderNode(HeaderPredicate predicate) : AuthorizationNode
    {
        // A connection has no headers: all are absent.
        private static readonly Headers None = new();

        public override bool IsMatch(in AuthorizationInput input) => input.Request is { } request ? predicate.IsMatch(request) : predicate.IsMatch(None);
    }

    private sealed class PathNode(StringMatch match) : AuthorizationNode
    {
        public override bool IsMatch(in AuthorizationInput input) => input.Request is { } request && match.IsMatch(request.PathOnly);
    }

    private sealed class TemplateNode(PathTemplate template) : AuthorizationNode
    {
        public override bool IsMatch(in AuthorizationInput input) => input.Request is { } request && template.IsMatch(request.PathOnly);
    }

    private sealed class DestinationNode(AddressRange range) : AuthorizationNode
    {
        public override bool IsMatch(in AuthorizationInput input) => range.Contains(input.Client.Destination.Address);
    }

    private sealed class PortNode(PortRange ports) : AuthorizationNode
    {
        public override bool IsMatch(in AuthorizationInput input) => ports.Contains(input.Client.Destination.Port);
    }

    private sealed class ServerNameNode(StringMatch match) : AuthorizationNode
    {
        public override bool IsMatch(in AuthorizationInput input) => match.IsMatch(input.Client.ServerName);
    }

    private sealed class MetadataNode(MetadataMatch match) : AuthorizationNode
    {
        public override bool IsMatch(in AuthorizationInput input) => input.Exchange is { } exchange ? RouteMatch.Holds(match, exchange) : match.Value.IsMatch(null) != match.Invert;
    }

    private sealed class AuthenticatedNode(StringMatch? name) : AuthorizationNode
    {
        public override bool IsMatch(in AuthorizationInput input)
        {
            if (input.Client.Peer is not { IsValidated: true } peer) return false;
            if (name is null) return true;

            // URI names first, then DNS names, then the subject: the first kind that the certificate has is the one that counts.
            if (!peer.Uris.IsEmpty) return Any(peer.Uris, name);
            return peer.DnsNames.IsEmpty ? name.IsMatch(peer.Subject) : Any(peer.DnsNames, name);
        }

        private static bool Any(ImmutableArray<string> names, StringMatch match)
        {
            foreach (var one in names)
                if (match.IsMatch(one)) return true;
            return false;
        }
    }

    private sealed class DirectAddressNode(AddressRange range) : AuthorizationNode
    {
        public override bool IsMatch(in AuthorizationInput input) => range.Contains(input.Client.DirectSource.Address);
    }

    private sealed class RemoteAddressNode(AddressRange range) : AuthorizationNode
    {
        public override bool IsMatch(in AuthorizationInput input) => range.Contains(input.RemoteAddress);
    }

    private sealed class FilterStateNode(string key, StringMatch match) : AuthorizationNode
    {
        /// <summary>Istio's key for the peer's identity.</summary>
        private const string PeerPrincipal = "io.istio.peer_principal";

        public override bool IsMatch(in AuthorizationInput input)
        {
            var value = key == PeerPrincipal
                ? input.Client.Peer is { IsValidated: true, SpiffeId.Length: > 0 } peer ? peer.SpiffeId : null
                : input.Exchange?.GetFilterState(key);
            return value is not null && match.IsMatch(value);
        }
    }
}
