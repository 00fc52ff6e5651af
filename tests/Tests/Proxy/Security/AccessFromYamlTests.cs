using System.Text.Json.Nodes;
using Mesh.Model.Translate;
using Mesh.Model.Validation;
using Mesh.Model.Yaml;
using Mesh.Net;
using Mesh.Proxy.Config;
using Mesh.Proxy.Security;
using Mesh.Tests.Cases;
using Mesh.Xds;
using Listener = Mesh.Proxy.Config.Listener;

namespace Mesh.Tests.Proxy.Security;

/// <summary>
/// From YAML down: random policies pass the real validation, world, translation, xDS, reading, normalisation and compiled rules; an oracle that knows nothing but
/// the YAML says what should have come out. More and other cases: see <see cref="Property"/>; a failure prints its seed and its policies.
/// </summary>
public sealed class AccessFromYamlTests
{
    private const int PairsPerSet = 100;
    private static readonly string[] Normalizations = ["", "NONE", "BASE", "MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES"];

    [Fact]
    public void Policies_mean_on_the_wire_what_their_yaml_says()
    {
        var (sets, seed) = (200 * Property.Times, (int)Property.Seed);
        var outcomes = new Dictionary<string, int>(StringComparer.Ordinal);
        var (valid, invalid) = (0, 0);
        for (var set = 0; set < sets; set++)
        {
            var random = new Random(seed + set);
            var normalization = Normalizations[random.Next(Normalizations.Length)];
            var policies = RandomAccess.Policies(random).Where(IsValid).ToList();
            var served = new Served(normalization, policies);
            for (var i = 0; i < PairsPerSet; i++)
            {
                var call = RandomAccess.Call(random);
                var expected = YamlOracle.Decide(policies, call, normalization);
                var actual = served.Decide(call);
                outcomes[expected] = outcomes.GetValueOrDefault(expected) + 1;
                if (expected != actual)
                    Assert.Fail($"seed {seed + set}, call {i} {call}, normalization {normalization}: the YAML says {expected}, the proxy {actual}\n{string.Join("\n---\n", policies.Select(p => p.ToJsonString()))}");
            }
        }
        // Most of what is made must be sound, and every outcome must occur, or the test would test little.
        Assert.True(valid > invalid, $"{valid} valid, {invalid} refused");
        foreach (var outcome in YamlOracle.Outcomes) Assert.True(outcomes.GetValueOrDefault(outcome) > sets, $"{outcome}: {outcomes.GetValueOrDefault(outcome)}");

        bool IsValid(JsonObject policy)
        {
            var isValid = Validator.CheckAdmission(YamlReader.Read(policy.ToJsonString(), "policy", out _)[0]).IsAllowed;
            if (isValid) valid++;
            else invalid++;
            return isValid;
        }
    }

    /// <summary>A server's sidecar as the control plane configures it, asked about calls.</summary>
    private sealed class Served
    {
        private readonly HttpConnectionSettings http;
        private readonly FilterChain tcp;

        public Served(string normalization, IEnumerable<JsonObject> policies)
        {
            string[] mesh = [$"mesh trustDomain: {YamlOracle.TrustDomain}", $"mesh trustDomainAliases: [{YamlOracle.Alias}]",
                "mesh extensionProviders: [{name: ask, envoyExtAuthzHttp: {service: ext.shop.svc.cluster.local, port: 80}}]"];
            var world = new CaseWorld([.. mesh, .. normalization.Length > 0 ? [$"mesh pathNormalization: {{normalization: {normalization}}}"] : Array.Empty<string>(),
                "service app.shop 8080:http 9000:tcp v1=10.0.0.1", "service ext.shop 80:http v1=10.0.0.9", "server app-v1"]);
            foreach (var policy in policies) world.Apply(policy.ToJsonString());
            Assert.Empty(world.Refused);
            var listener = world.ForServer().Listeners.All.Select(resource => ResourceFromXds.Decode(resource.TypeUrl, resource.Name, resource.Body))
                .Select(decoded => decoded.Refusal is null ? decoded.Resource : throw new InvalidOperationException(decoded.Refusal)).OfType<Listener>().Single(l => l.Name == "virtualInbound");
            http = listener.Chains.First(chain => chain.Match.DestinationPort == 8080 && chain.Http is not null).Http!;
            tcp = listener.Chains.First(chain => chain.Match.DestinationPort == 9000 && chain.Tcp is not null);
        }

        public string Decide(RandomAccess.CallOfApp call)
        {
            if (call.IsTcp) return DecideTcp(call);

            var head = call.Head();
            var paths = new Mesh.Http.PathNormalization(http.NormalizePath, http.MergeSlashes,
                http.EscapedSlashes == EscapedSlashes.UnescapeAndForward ? Mesh.Http.EscapedSlashes.UnescapeAndForward : Mesh.Http.EscapedSlashes.Keep);
            if (paths.Apply(head) == Mesh.Http.PathOutcome.Refused) return "no such path";

            var asked = false;
            foreach (var filter in http.Filters)
            {
                if (filter is ExternalAuthorizationFilter && asked) return "ask";
                if (filter is not AuthorizationFilter { Rules: { } rules }) continue;

                var input = new AuthorizationInput(call.Client(), head, call.Remote);
                if (rules.Shadow is { } shadow && rules.ShadowPrefix == "istio_ext_authz_") asked = AuthorizationRules.Compile(shadow).Evaluate(input).Policy is not null;
                if (rules.Rules is { } enforced && AuthorizationRules.Compile(enforced).Evaluate(input) is { IsAllowed: false } denied) return Words(denied.Policy?.Name);
            }
            return "pass";
        }

        private string DecideTcp(RandomAccess.CallOfApp call)
        {
            foreach (var filter in tcp.Filters.OfType<NetworkAuthorization>())
                if (filter.Rules.Rules is { } enforced && AuthorizationRules.Compile(enforced).Evaluate(new AuthorizationInput(call.Client())) is { IsAllowed: false } denied)
                    return Words(denied.Policy?.Name);
            return "pass";
        }

        private static string Words(string? policy) => policy is null ? "none allows" : policy.EndsWith("-deny-due-to-bad-CUSTOM-action", StringComparison.Ordinal) ? "nobody to ask" : "denied";
    }
}
