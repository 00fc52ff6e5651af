using System.Text.Json;
using System.Text.Json.Nodes;
using static Mesh.Injector.JsonWriting;

namespace Mesh.Injector;

/// <summary>A question of the API server: may this object be, and shall it be changed?</summary>
/// <param name="Object">Null for a deletion, and in broken requests.</param>
public sealed record AdmissionRequest(string ApiVersion, string Uid, string Namespace, string Operation, string Kind, JsonNode? Object, JsonNode? OldObject);

/// <summary>Reading and answering AdmissionReview, v1 and v1beta1: the answer has the version of the question.</summary>
public static class AdmissionReview
{
    private const string Group = "admission.k8s.io/";

    /// <returns>Null and the sentence why not, when the body is no review.</returns>
    public static AdmissionRequest? Read(string body, out string problem)
    {
        problem = "";
        JsonObject? review;
        try
        {
            review = JsonNode.Parse(body, documentOptions: new() { MaxDepth = 64, AllowDuplicateProperties = false }) as JsonObject;
        }
        catch (JsonException e)
        {
            problem = $"couldn't get version/kind; json parse error: {e.Message}";
            return null;
        }

        var (version, kind) = (review.At("apiVersion").Text() ?? "", review.At("kind").Text() ?? "");
        if (version is not (Group + "v1" or Group + "v1beta1") || kind != "AdmissionReview")
        {
            problem = $"no kind \"{kind}\" is registered for version \"{version}\": this webhook reads AdmissionReview of {Group}v1 and {Group}v1beta1";
            return null;
        }
        if (review!["request"] is not JsonObject request)
        {
            problem = "the review has no request";
            return null;
        }
        return new(version, request["uid"].Text() ?? "", request["namespace"].Text() ?? "", request["operation"].Text() ?? "",
            request.At("kind", "kind").Text() ?? "", request["object"], request["oldObject"]);
    }

    public static string Allow(AdmissionRequest request, JsonArray? patch = null, IReadOnlyList<string>? warnings = null)
    {
        var response = new JsonObject { ["uid"] = request.Uid, ["allowed"] = true };
        if (patch is not null)
        {
            response["patch"] = Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes(patch.Compact()));
            response["patchType"] = "JSONPatch";
        }
        if (warnings is { Count: > 0 }) response["warnings"] = Strings(warnings);
        return Review(request.ApiVersion, response).Compact();
    }

    public static string Refuse(AdmissionRequest request, string message, IReadOnlyList<string>? warnings = null)
    {
        var response = Refusal(request.Uid, message);
        if (warnings is { Count: > 0 }) response["warnings"] = Strings(warnings);
        return Review(request.ApiVersion, response).Compact();
    }

    /// <summary>For a body that is no review: there is no version to answer in.</summary>
    public static string RefuseUnread(string message) => new JsonObject { ["response"] = Refusal("", message) }.Compact();

    private static JsonObject Refusal(string uid, string message) => new()
    {
        ["uid"] = uid,
        ["allowed"] = false,
        ["status"] = new JsonObject { ["metadata"] = new JsonObject(), ["message"] = message },
    };

    private static JsonObject Review(string version, JsonObject response) =>
        new() { ["kind"] = "AdmissionReview", ["apiVersion"] = version, ["response"] = response };
}
