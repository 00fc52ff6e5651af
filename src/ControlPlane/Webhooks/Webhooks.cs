using System.Text;
using System.Text.Json;
using Mesh.ControlPlane.Kube;
using Mesh.Injector;
using Mesh.Model.Resources;
using Mesh.Model.Validation;

namespace Mesh.ControlPlane.Webhooks;

/// <summary>The API server's questions: /inject for new pods, /validate for the mesh's own resources.</summary>
internal static class Webhooks
{
    private const int BodyBytesMax = 6 << 20; // an object of etcd's largest size, twice (old and new)

    public static void Map(WebApplication app)
    {
        app.MapPost("/inject", InjectAsync);
        app.MapPost("/inject/{**settings}", InjectAsync);
        app.MapPost("/validate", ValidateAsync);
        app.MapPost("/validate/{**path}", ValidateAsync);
    }

    private static async Task InjectAsync(HttpContext context, InjectorConfig config, NodeVersions nodes, NamespaceRanges ranges, WebhookMetrics metrics, TimeProvider time)
    {
        metrics.Injections.Inc();
        var started = time.GetTimestamp();
        if (await BodyAsync(context) is not { } body) return;
        if (config.Current is not { } settings)
        {
            metrics.InjectionsFailed.Inc();
            await AnswerAsync(context, new(503, "text/plain; charset=utf-8", "the injector's ConfigMap istio-sidecar-injector has not been read yet\n"));
            return;
        }
        var answer = InjectionReview.Answer(context.Request.ContentType, body, context.Request.Path.Value ?? "/inject", settings,
            pod => NativeSidecars.Supported(settings.NativeSidecars, nodes.For(pod.At("spec", "nodeName").Text())), ranges.Of);

        (answer.Status != 200 || answer.Body.Contains("\"allowed\":false", StringComparison.Ordinal) ? metrics.InjectionsFailed
            : answer.Body.Contains("\"patch\":", StringComparison.Ordinal) ? metrics.Injected : metrics.InjectionsSkipped).Inc();
        metrics.InjectionTime.Observe(time.GetElapsedTime(started).TotalSeconds);
        await AnswerAsync(context, answer);
    }

    private static async Task ValidateAsync(HttpContext context, WebhookMetrics metrics)
    {
        if (await BodyAsync(context) is not { } body) return;
        var answer = Validate(context.Request.ContentType, body);
        (answer.Status != 200 ? metrics.Broken : answer.Body.Contains("\"allowed\":true", StringComparison.Ordinal) ? metrics.Validated : metrics.Refused).Inc();
        await AnswerAsync(context, answer);
    }

    internal static WebhookAnswer Validate(string? contentType, string body)
    {
        if (body.Length == 0) return new(400, "text/plain; charset=utf-8", "no body found\n");
        if (contentType != "application/json") return new(415, "text/plain; charset=utf-8", "invalid Content-Type, want `application/json`\n");
        if (AdmissionReview.Read(body, out var problem) is not { } request) return Json(AdmissionReview.RefuseUnread(problem));
        if (request.Operation is not ("CREATE" or "UPDATE")) return Json(AdmissionReview.Allow(request));
        if (request.Object is null) return Json(AdmissionReview.Refuse(request, "the request has no object"));

        var node = JsonNodes.Read(Encoding.UTF8.GetBytes(request.Object.ToJsonString()));
        var verdict = Validator.CheckAdmission(node);
        IReadOnlyList<string> warnings = [.. verdict.Warnings.Select(warning => warning.Message)];
        if (!verdict.IsAllowed)
            return Json(AdmissionReview.Refuse(request, $"configuration is invalid: {string.Join("; ", verdict.Errors.Select(error => error.Field.Length > 0 && !error.Message.Contains(error.Field, StringComparison.Ordinal) ? $"{error.Field}: {error.Message}" : error.Message))}", warnings));
        return Json(AdmissionReview.Allow(request, warnings: warnings));
    }

    private static WebhookAnswer Json(string body) => new(200, "application/json", body);

    private static async Task<string?> BodyAsync(HttpContext context)
    {
        if (context.Request.ContentLength > BodyBytesMax)
        {
            await AnswerAsync(context, new(413, "text/plain; charset=utf-8", $"the request is larger than {BodyBytesMax >> 20} MiB\n"));
            return null;
        }
        using var buffer = new MemoryStream();
        var chunk = new byte[16 << 10];
        int read;
        while ((read = await context.Request.Body.ReadAsync(chunk, context.RequestAborted)) > 0)
        {
            buffer.Write(chunk, 0, read);
            if (buffer.Length <= BodyBytesMax) continue;
            await AnswerAsync(context, new(413, "text/plain; charset=utf-8", $"the request is larger than {BodyBytesMax >> 20} MiB\n"));
            return null;
        }
        return Encoding.UTF8.GetString(buffer.GetBuffer(), 0, (int)buffer.Length);
    }

    private static Task AnswerAsync(HttpContext context, WebhookAnswer answer)
    {
        context.Response.StatusCode = answer.Status;
        context.Response.ContentType = answer.ContentType;
        return context.Response.WriteAsync(answer.Body, context.RequestAborted);
    }
}
