using System.Text;

namespace Mesh.Model.Validation;

/// <summary>Several errors as one text, in the form Istio's users know.</summary>
public static class GoErrors
{
    public static string Several(IReadOnlyCollection<string> errors)
    {
        var text = new StringBuilder(errors.Count == 1 ? "1 error occurred:\n" : $"{errors.Count} errors occurred:\n");
        foreach (var error in errors) text.Append("\t* ").Append(error).Append('\n');
        return text.Append('\n').ToString();
    }

    /// <summary>One error plainly, several as a list.</summary>
    public static string Join(IReadOnlyCollection<string> errors) => errors.Count == 1 ? errors.First() : Several(errors);
}
