using Mesh.Proxy.Config;

namespace Mesh.Proxy.Security;

/// <summary>The network form of authorization: asked once for a TCP connection, before the first byte goes on.</summary>
internal static class ConnectionAuthorization
{
    /// <summary>Null: go on. Otherwise the details to log; the connection is closed.</summary>
    public static string? Refusal(NetworkAuthorization filter, ClientConnection client)
    {
        var (rules, _) = Compiled.Of(filter.Rules);
        if (rules is null) return null;

        var verdict = rules.Evaluate(new AuthorizationInput(client));
        if (verdict.IsAllowed) return null;
        return (verdict.Policy?.Denial ?? AuthorizationDenial.NoneMatched).Answer!.Details;
    }

    /// <summary>The policy that a dry run, or the condition of an external authorizer, would match; null for none.</summary>
    public static string? ShadowMatch(NetworkAuthorization filter, ClientConnection client) =>
        Compiled.Of(filter.Rules).Shadow?.Evaluate(new AuthorizationInput(client)).Policy?.Name;

    private sealed record Compiled(AuthorizationRules? Rules, AuthorizationRules? Shadow)
    {
        public static Compiled Of(AuthorizationSettings settings) => settings.Cell.Get(settings, static s => new Compiled(
            s.Rules is null ? null : AuthorizationRules.Compile(s.Rules), s.Shadow is null ? null : AuthorizationRules.Compile(s.Shadow)));
    }
}
