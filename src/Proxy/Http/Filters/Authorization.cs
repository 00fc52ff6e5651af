using Mesh.Proxy.Config;
using Mesh.Proxy.Security;

namespace Mesh.Proxy.Http.Filters;

/// <summary>Who may send this request? Denies by rule, or for want of one; records what dry-run rules would have done.</summary>
internal sealed class Authorization(AuthorizationFilter settings) : HttpFilter
{
    public const string MetadataName = "envoy.filters.http.rbac";

    private static readonly MetadataValue Allowed = new() { Text = "allowed" };
    private static readonly MetadataValue Denied = new() { Text = "denied" };
    private static readonly MetadataValue Yes = new() { Flag = true };
    private static readonly MetadataValue No = new() { Flag = false };

    private readonly Engine engine = Engine.Of(settings.Rules);

    public override ValueTask<Failure?> OnRequestAsync(Exchange exchange)
    {
        var used = engine;
        switch (exchange.OverrideFor(settings.Name))
        {
            case FilterOverride.Off or FilterOverride.Authorization { Rules: null }: return default;
            case FilterOverride.Authorization { Rules: { } rules }: used = Engine.Of(rules); break;
            case null when settings.Disabled: return default;
        }
        var input = new AuthorizationInput(exchange);
        if (used.Shadow is { } shadow) Record(exchange, used, shadow.Evaluate(input));
        if (used.Rules is not { } enforced) return default;

        var verdict = enforced.Evaluate(input);
        if (verdict.Policy is { } deciding) exchange.DecidedBy = deciding.Name;
        if (enforced.Action == AuthorizationAction.Log) exchange.SetMetadata("envoy.common", "access_log_hint", verdict.Policy is null ? No : Yes);
        return verdict.IsAllowed ? default : new(verdict.Policy?.Denial ?? AuthorizationDenial.NoneMatched);
    }

    private static void Record(Exchange exchange, Engine engine, AuthorizationVerdict verdict)
    {
        exchange.SetMetadata(MetadataName, engine.ResultKey, verdict.IsAllowed ? Allowed : Denied);
        if (verdict.Policy is { } policy) exchange.SetMetadata(MetadataName, engine.PolicyKey, policy.NameValue);
    }

    private sealed class Engine(AuthorizationSettings settings)
    {
        public AuthorizationRules? Rules { get; } = settings.Rules is null ? null : AuthorizationRules.Compile(settings.Rules);
        public AuthorizationRules? Shadow { get; } = settings.Shadow is null ? null : AuthorizationRules.Compile(settings.Shadow);
        public string ResultKey { get; } = settings.ShadowPrefix + "shadow_engine_result";
        public string PolicyKey { get; } = settings.ShadowPrefix + "shadow_effective_policy_id";

        public static Engine Of(AuthorizationSettings settings) => settings.Cell.Get(settings, static s => new Engine(s));
    }
}
