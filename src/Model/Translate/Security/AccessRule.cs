using System.Collections.Immutable;
using Envoy.Config.Rbac.V3;
using Mesh.Model.Resources;

namespace Mesh.Model.Translate;

/// <summary>One rule of an AuthorizationPolicy as an RBAC policy, for HTTP or for plain TCP.</summary>
internal sealed class AccessRule(AuthorizationPolicy policy, bool forTcp, TrustDomains domains)
{
    private const string FilterPrefix = "experimental.envoy.filters.";

    // What only HTTP knows, or nobody, makes an ALLOW rule useless, but only drops out of the others: they deny, ask or tell of more. Closed, never open.
    private readonly bool dropsWhatIsUnknown = policy.Action != AuthorizationAction.Allow;

    /// <returns>Null when the rule cannot hold here.</returns>
    public Policy? Build(AuthorizationRule rule)
    {
        var made = new Policy();
        var who = new List<Principal>();
        var what = new List<Permission>();
        foreach (var condition in rule.When)
            if (!Condition(condition, who, what)) return null;

        foreach (var operation in rule.To.IsEmpty ? [null] : rule.To.Cast<AuthorizationOperation?>())
        {
            var all = new List<Permission>();
            if (operation is not null && !Operation(operation, all)) return null;
            all.AddRange(what);
            made.Permissions.Add(And(all));
        }
        foreach (var source in rule.From.IsEmpty ? [null] : rule.From.Cast<AuthorizationSource?>())
        {
            var all = new List<Principal>();
            if (source is not null && !Source(source, all)) return null;
            all.AddRange(who);
            made.Principals.Add(And(all));
        }
        return made;
    }

    private bool Operation(AuthorizationOperation operation, List<Permission> into) =>
        Add(operation.Hosts, value => new() { Header = RbacMatchers.Host(value) }, into, onlyHttp: true)
        && Add(operation.Methods, value => new() { Header = RbacMatchers.Header(":method", value) }, into, onlyHttp: true)
        && Add(operation.Paths, RbacMatchers.Path, into, onlyHttp: true)
        && Add(operation.Ports, RbacMatchers.Port, into, onlyHttp: false);

    private bool Source(AuthorizationSource source, List<Principal> into) =>
        Add(source.IpBlocks, RbacMatchers.DirectIp, into, onlyHttp: false)
        && Add(source.RemoteIpBlocks, RbacMatchers.RemoteIp, into, onlyHttp: false)
        && Add(source.Namespaces, RbacMatchers.Namespace, into, onlyHttp: false)
        && Add(source.ServiceAccounts, value => RbacMatchers.ServiceAccount(value, policy.Namespace), into, onlyHttp: false)
        && Add(domains.ExpandNames(source.TrustDomains), RbacMatchers.TrustDomain, into, onlyHttp: false)
        && Add(domains.Expand(source.Principals), RbacMatchers.Peer, into, onlyHttp: false)
        && Add(source.RequestPrincipals, RbacMatchers.TokenPrincipal, into, onlyHttp: true);

    private bool Condition(AuthorizationCondition condition, List<Principal> who, List<Permission> what)
    {
        var values = new ValueList(condition.Values, condition.NotValues);
        var (name, keys) = SplitKey(condition.Key);
        return name switch
        {
            "request.headers" => Add(values, value => new() { Header = RbacMatchers.Header(keys[0], value) }, who, onlyHttp: true),
            "source.ip" => Add(values, RbacMatchers.DirectIp, who, onlyHttp: false),
            "remote.ip" => Add(values, RbacMatchers.RemoteIp, who, onlyHttp: false),
            "source.namespace" => Add(values, RbacMatchers.Namespace, who, onlyHttp: false),
            "source.serviceAccount" => Add(values, value => RbacMatchers.ServiceAccount(value, policy.Namespace), who, onlyHttp: false),
            "source.trustDomain" => Add(domains.ExpandNames(values), RbacMatchers.TrustDomain, who, onlyHttp: false),
            "source.principal" => Add(domains.Expand(values), RbacMatchers.Peer, who, onlyHttp: false),
            "request.auth.principal" => Add(values, RbacMatchers.TokenPrincipal, who, onlyHttp: true),
            "request.auth.audiences" => Add(values, value => RbacMatchers.Claim(["aud"], RbacMatchers.Text(value)), who, onlyHttp: true),
            "request.auth.presenter" => Add(values, value => RbacMatchers.Claim(["azp"], RbacMatchers.Text(value)), who, onlyHttp: true),
            "request.auth.claims" => Add(values, value => RbacMatchers.Claim(keys, RbacMatchers.Text(value)), who, onlyHttp: true),
            "destination.ip" => Add(values, value => new() { DestinationIp = Protos.Cidr(value) }, what, onlyHttp: false),
            "destination.port" => Add(values, RbacMatchers.Port, what, onlyHttp: false),
            "connection.sni" => Add(values, value => new() { RequestedServerName = RbacMatchers.Text(value) }, what, onlyHttp: false),
            _ when name.StartsWith(FilterPrefix, StringComparison.Ordinal) && keys is [{ Length: > 0 } key] =>
                Add(values, value => RbacMatchers.LeftByFilter(name["experimental.".Length..], key, value), what, onlyHttp: false),
            _ => dropsWhatIsUnknown,
        };
    }

    private bool Add(ValueList list, Func<string, Permission?> match, List<Permission> into, bool onlyHttp)
    {
        if (list.IsEmpty) return true;
        if (onlyHttp && forTcp) return dropsWhatIsUnknown;
        if (!list.Values.IsEmpty)
        {
            if (AllOf(list.Values, match) is not { } some) return dropsWhatIsUnknown;
            into.Add(new() { OrRules = new() { Rules = { some } } });
        }
        if (list.NotValues.IsEmpty) return true;
        if (AllOf(list.NotValues, match) is not { } none) return dropsWhatIsUnknown;
        into.Add(new() { NotRule = new() { OrRules = new() { Rules = { none } } } });
        return true;
    }

    private bool Add(ValueList list, Func<string, Principal> match, List<Principal> into, bool onlyHttp)
    {
        if (list.IsEmpty) return true;
        if (onlyHttp && forTcp) return dropsWhatIsUnknown;
        if (!list.Values.IsEmpty) into.Add(new() { OrIds = new() { Ids = { list.Values.Select(match) } } });
        if (!list.NotValues.IsEmpty) into.Add(new() { NotId = new() { OrIds = new() { Ids = { list.NotValues.Select(match) } } } });
        return true;
    }

    private static List<Permission>? AllOf(ImmutableArray<string> values, Func<string, Permission?> match)
    {
        var made = new List<Permission>();
        foreach (var value in values)
        {
            if (match(value) is not { } one) return null;
            made.Add(one);
        }
        return made;
    }

    private static Permission And(List<Permission> all) => all.Count == 0 ? new() { Any = true } : new() { AndRules = new() { Rules = { all } } };

    private static Principal And(List<Principal> all) => all.Count == 0 ? new() { Any = true } : new() { AndIds = new() { Ids = { all } } };

    /// <summary><c>request.auth.claims[a][b]</c> to its name and its keys.</summary>
    private static (string Name, ImmutableArray<string> Keys) SplitKey(string key)
    {
        var bracket = key.IndexOf('[', StringComparison.Ordinal);
        if (bracket < 0 || !key.EndsWith(']')) return (key, [""]);
        return (key[..bracket], [.. key[(bracket + 1)..^1].Split("][")]);
    }
}

/// <summary>A principal of one believed trust domain holds in all of them.</summary>
internal sealed class TrustDomains(MeshConfig mesh)
{
    private const string Default = "cluster.local";

    private readonly ImmutableArray<string> all = [mesh.TrustDomain, .. mesh.TrustDomainAliases.Where(alias => alias != mesh.TrustDomain)];

    public ValueList Expand(ValueList list) => new([.. list.Values.SelectMany(Expand)], [.. list.NotValues.SelectMany(Expand)]);

    /// <summary>The name of a believed domain stands for all of them.</summary>
    public ValueList ExpandNames(ValueList list) => new([.. list.Values.SelectMany(Names).Distinct()], [.. list.NotValues.SelectMany(Names).Distinct()]);

    private IEnumerable<string> Names(string domain) => all.Contains(domain) ? all : [domain];

    /// <summary>Only a whole identity, <c>DOMAIN/ns/NAMESPACE/sa/ACCOUNT</c>, names a domain; a star for the domain means any already.</summary>
    private IEnumerable<string> Expand(string principal)
    {
        var slash = principal.IndexOf('/', StringComparison.Ordinal);
        if (principal.Count(c => c == '/') != 4 || principal[..slash] is "*") return [principal];

        var domain = principal[..slash];
        if (domain != Default && !all.Any(each => Covers(domain, each))) return [principal];
        return all.Select(each => Covers(domain, each) ? principal : each + principal[slash..]).Distinct();
    }

    /// <summary>A domain may begin with a star: <c>*-td</c>.</summary>
    private static bool Covers(string domain, string one) =>
        domain.StartsWith('*') ? one.EndsWith(domain[1..], StringComparison.Ordinal) : domain == one;
}
