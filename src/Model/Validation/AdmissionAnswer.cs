namespace Mesh.Model.Validation;

/// <summary>What a validating webhook sends back.</summary>
public sealed record AdmissionAnswer(bool IsAllowed, string Message, IReadOnlyList<string> Warnings)
{
    public static AdmissionAnswer Refused(string message) => new(false, message, []);
}
