using System.Text.Json.Nodes;
using Mesh.Injector;

namespace Mesh.Tests.Injector;

public sealed class InjectionCaseTests
{
    public static TheoryData<string, string> Cases
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (var name in InjectionCase.Names)
                foreach (var way in (string[])["classic", "native"])
                    if (new InjectionCase(name).Expected(way) is not null) data.Add(name, way);
            return data;
        }
    }

    [Theory, MemberData(nameof(Cases))]
    public void A_pod_is_injected_as_istio_injects_it(string name, string way)
    {
        var example = new InjectionCase(name);
        var called = example.Webhooks.Where(webhook => webhook.Selects(NamespaceLabels(example), example.Pod.At("metadata", "labels").Strings())).ToList();
        Assert.Equal(example.Called, called.Count == 0 ? "nobody" : Assert.Single(called).Name.Split(".sidecar-injector")[0]);
        if (called.Count == 0)
        {
            Assert.Equal("not asked", example.Expected(way).Text());
            return;
        }

        var settings = example.Settings(way);
        var outcome = PodInjector.Inject(new(example.Pod, example.PodNamespace, example.UrlPath, example.Native(settings)), settings);

        switch (example.Expected(way))
        {
            case JsonValue:
                Assert.Equal(InjectionVerdict.Skipped, outcome.Verdict);
                break;
            case JsonObject refusal when refusal["refused"].Text() is { } reason:
                Assert.Equal(InjectionVerdict.Refused, outcome.Verdict);
                Assert.Contains(reason, outcome.Reason, StringComparison.Ordinal);
                break;
            default:
                Assert.True(outcome.Verdict == InjectionVerdict.Injected, outcome.Reason);
                Assert.Equal(Text(example.ExpectedLines(way)), Text(PodShapes.Flat(outcome.Pod!)));
                break;
        }
    }

    [Theory, MemberData(nameof(Cases))]
    public void A_pod_that_comes_again_is_not_changed(string name, string way)
    {
        var example = new InjectionCase(name);
        var settings = example.Settings(way);
        var native = example.Native(settings);
        var first = PodInjector.Inject(new(example.Pod, example.PodNamespace, example.UrlPath, native), settings);
        if (first.Verdict != InjectionVerdict.Injected || example.Pod["metadata"].At("annotations", "proxy.istio.io/overrides") is not null) return;

        var second = PodInjector.Inject(new(first.Pod!, example.PodNamespace, example.UrlPath, native), settings);

        // Istio: what a user overrode in istio-proxy is not applied a second time (observed; the API server does not ask twice).
        if (first.Pod!.At("metadata", "annotations", "proxy.istio.io/overrides") is not null) return;
        Assert.Equal([], JsonPatch.Between(first.Pod!, second.Pod!).Select(operation => operation!.ToJsonString()));
    }

    private static IReadOnlyDictionary<string, string> NamespaceLabels(InjectionCase example) =>
        new Dictionary<string, string>(example.NamespaceLabels) { ["kubernetes.io/metadata.name"] = example.PodNamespace };

    private static string Text(SortedDictionary<string, string> lines) => string.Join('\n', lines.Select(line => $"{line.Key}  {line.Value}"));
}
