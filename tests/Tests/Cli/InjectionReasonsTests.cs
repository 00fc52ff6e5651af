using System.Text.Json.Nodes;
using Mesh.Cli.Commands;
using Mesh.Cli.Manifests;
using Mesh.Injector;
using Mesh.Model.Yaml;
using Mesh.Tests.ControlPlane.Kube;
using Microsoft.AspNetCore.Http;

namespace Mesh.Tests.Cli;

/// <summary>check-inject and injector list: which webhook injects, and the label that decides, in istioctl's words.</summary>
public sealed class InjectionReasonsTests
{
    private const string None = "No matching namespace labels (istio.io/rev=default, istio-injection=enabled) or pod labels (istio.io/rev=default, sidecar.istio.io/inject=true)";
    private const string NoCanary = "No matching namespace labels (istio.io/rev=canary) or pod labels (istio.io/rev=canary)";

    [Theory]
    [InlineData("", "", "✘ " + None, "✘ " + NoCanary)]
    [InlineData("istio-injection=enabled", "", "✔ Namespace label istio-injection=enabled matches", "✘ " + NoCanary)]
    [InlineData("istio.io/rev=canary", "", "✘ " + None, "✔ Namespace label istio.io/rev=canary matches")]
    [InlineData("", "istio.io/rev=canary", "✘ Pod has istio.io/rev=canary label, preventing injection", "✔ Pod label istio.io/rev=canary matches")]
    [InlineData("", "sidecar.istio.io/inject=true", "✔ Pod label sidecar.istio.io/inject=true matches", "✘ " + NoCanary)]
    [InlineData("istio-injection=enabled", "sidecar.istio.io/inject=true", "✔ Namespace label istio-injection=enabled matches, and pod label sidecar.istio.io/inject=true matches", "✘ " + NoCanary)]
    [InlineData("istio-injection=enabled", "sidecar.istio.io/inject=false", "✘ Pod has sidecar.istio.io/inject=false label, preventing injection", "✘ " + NoCanary)]
    [InlineData("istio-injection=disabled", "sidecar.istio.io/inject=true", "✘ Namespace has istio-injection=disabled label, preventing injection", "✘ Namespace has istio-injection=disabled label, preventing injection")]
    public void The_label_that_decides_is_named(string space, string pod, string ofDefault, string ofCanary)
    {
        var webhooks = (JsonObject[])[TagCommand.Webhook("default", "default", "istio-system"), TagCommand.Webhook("canary", "canary", "istio-system")];

        var reasons = InjectionReasons.Of(webhooks, Labels(pod), Labels(space)).ToDictionary(one => one.Revision, one => $"{(one.Injects ? "✔" : "✘")} {one.Reason}");
        Assert.Equal(ofDefault, reasons["default"]);
        Assert.Equal(ofCanary, reasons["canary"]);
    }

    [Fact]
    public void A_webhook_that_is_switched_off_says_so()
    {
        var never = (JsonObject)YamlJson.Read("{metadata: {name: w, labels: {istio.io/rev: default}}, webhooks: [{name: namespace.sidecar-injector.istio.io, namespaceSelector: {matchLabels: {istio.io/deactivated: never-match}}, objectSelector: {matchLabels: {istio.io/deactivated: never-match}}}]}")!;

        Assert.Equal("The injection webhook is deactivated, and will never match labels.", Assert.Single(InjectionReasons.Of([never], Labels(""), Labels("istio-injection=enabled"))).Reason);
    }

    [Fact]
    public async Task The_commands_ask_the_cluster()
    {
        await using var cluster = await FakeCluster.StartAsync();
        var kubeconfig = cluster.WriteKubeconfig(Path.GetTempFileName());
        Task<(int Exit, string Out, string Error)> Run(params string[] words) => InProcessCli.RunAsync([.. words, "--kubeconfig", kubeconfig]);

        Assert.Equal((0, "ERROR: no Istio injection hooks present.\n"), Told(await Run("x", "check-inject", "-l", "app=web")));
        Assert.Equal((0, "No Istio injected namespaces present.\n\nNo Istio injection hooks present.\n"), Told(await Run("x", "injector", "list", "-n", "kube-system")));

        Assert.Equal(0, (await Run("install", "-y", "--set", "profile=minimal", "--set", "hub=registry.example/mesh", "--set", "tag=7")).Exit);
        cluster.Put("{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {istio-injection: enabled}}}");
        cluster.Put("{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop}, spec: {selector: {matchLabels: {app: web}}}}");
        cluster.Put("{apiVersion: v1, kind: Pod, metadata: {name: web-1, namespace: shop, labels: {app: web}}}");
        cluster.Put("{apiVersion: v1, kind: Pod, metadata: {name: web-2, namespace: shop, labels: {app: web}, annotations: {sidecar.istio.io/status: '{\"revision\":\"default\"}'}}}");

        Assert.Equal((0, """
            WEBHOOK                 REVISION  INJECTED  REASON
            istio-sidecar-injector  default   ✔         Namespace label istio-injection=enabled matches

            """), Told(await Run("x", "check-inject", "deploy/web", "-n", "shop")));
        Assert.Equal((0, """
            NAMESPACE ISTIO-REVISION POD-REVISIONS
            shop      default        <non-Istio>: 1 NEEDS RESTART: 1
            shop      default        default: 1

            NAMESPACES INJECTOR-HOOK          ISTIO-REVISION SIDECAR-IMAGE
            shop       istio-sidecar-injector default        registry.example/mesh/proxyv2:7

            """), Told(await Run("x", "injector", "list", "-n", "shop")));
        Assert.Equal(0, (await Run("install", "-y", "--revision", "canary", "--set", "profile=minimal")).Exit);
        Assert.Equal(0, (await Run("tag", "set", "default", "--revision", "canary")).Exit);
        var lines = (await Run("x", "check-inject", "web-1.shop")).Out.Split('\n').Where(line => line.StartsWith("istio-", StringComparison.Ordinal)).Select(line => string.Join(' ', line.Split(' ', StringSplitOptions.RemoveEmptyEntries)));
        Assert.Equal(
            ["istio-revision-tag-default canary ✔ Namespace label istio-injection=enabled matches", "istio-sidecar-injector default ✘ The injection webhook is deactivated, and will never match labels.", "istio-sidecar-injector-canary canary ✘ " + NoCanary],
            lines);
        Assert.Equal((1, "Error: pods \"nosuch\" not found\n"), Failed(await Run("x", "check-inject", "nosuch.shop")));
        Assert.Equal((1, "Error: no Prometheus pods found\n`meshctl stat` tells the like from the proxies themselves.\n"), Failed(await Run("x", "metrics", "web")));

        cluster.Put("{apiVersion: v1, kind: Pod, metadata: {name: prometheus-0, namespace: istio-system, labels: {app.kubernetes.io/name: prometheus}}}");
        cluster.Instead = async context =>
        {
            if (context.Request.Path != "/api/v1/namespaces/istio-system/pods/prometheus-0:9090/proxy/api/v1/query") return false;
            var value = context.Request.Query["query"].ToString() switch { var q when q.StartsWith("histogram", StringComparison.Ordinal) => "12.5", var q when q.Contains("response_code", StringComparison.Ordinal) => "0.25", _ => "4" };
            await context.Response.WriteAsync($$$"""{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"{{{value}}}"]}]}}""");
            return true;
        };
        Assert.Equal((0, """
                                              WORKLOAD    TOTAL RPS    ERROR RPS  P50 LATENCY  P90 LATENCY  P99 LATENCY
                                              web.shop        4.000        0.250         12ms         12ms         12ms

            """), Told(await Run("x", "metrics", "web.shop")));
        File.Delete(kubeconfig);
    }

    private static (int, string) Told((int Exit, string Out, string Error) run) => (run.Exit, run.Out.Length > 0 ? run.Out : run.Error);
    private static (int, string) Failed((int Exit, string Out, string Error) run) => (run.Exit, run.Error);

    private static Dictionary<string, string> Labels(string pairs) => pairs.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(pair => pair.Split('=')).ToDictionary(pair => pair[0], pair => pair[1]);
}
