using System.Text.Json.Nodes;

namespace Mesh.Injector;

/// <param name="Status">HTTP status.</param>
public sealed record WebhookAnswer(int Status, string ContentType, string Body);

/// <summary>The webhook /inject as a function: request in, answer out. The server around it only moves bytes.</summary>
public static class InjectionReview
{
    public static WebhookAnswer Answer(string? contentType, string body, string path, InjectorSettings settings, Func<JsonObject, bool> nativeSidecars, Func<string, IReadOnlyDictionary<string, string>?>? namespaceAnnotations = null)
    {
        if (body.Length == 0) return new(400, "text/plain; charset=utf-8", "no body found\n");
        // Exactly this and nothing beside it: the API server sends it so, and Istio refuses anything else.
        if (contentType != "application/json") return new(415, "text/plain; charset=utf-8", "invalid Content-Type, want `application/json`\n");
        if (AdmissionReview.Read(body, out var problem) is not { } request) return Json(AdmissionReview.RefuseUnread(problem));
        // Only a new pod is changed. (With a pod in it a deletion is answered as a creation, as Istio does; the API server sends none.)
        if (request.Kind is not ("Pod" or "") || request.Operation == "UPDATE" || request is { Object: null, Operation: not "CREATE" }) return Json(AdmissionReview.Allow(request));
        if (request.Object is not JsonObject pod)
            return Json(AdmissionReview.Refuse(request, request.Object is null ? "the request has no object: unexpected end of JSON input" : "the object is not a Pod"));

        var annotations = namespaceAnnotations?.Invoke(pod.At("metadata", "namespace").Text() is { Length: > 0 } own ? own : request.Namespace);
        var outcome = PodInjector.Inject(new(pod, request.Namespace, path, nativeSidecars(pod), NamespaceAnnotations: annotations), settings);
        return Json(outcome.Verdict switch
        {
            InjectionVerdict.Injected => AdmissionReview.Allow(request, JsonPatch.Between(pod, outcome.Pod!)),
            InjectionVerdict.Skipped => AdmissionReview.Allow(request),
            _ => AdmissionReview.Refuse(request, outcome.Reason!),
        });
    }

    private static WebhookAnswer Json(string body) => new(200, "application/json", body);
}
