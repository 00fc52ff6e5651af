namespace Mesh.ControlPlane.Kube;

/// <summary>Which kinds cannot be heard just now. An API server that is away is one event, not one for each kind.</summary>
internal sealed class ClusterTrouble(ILogger log)
{
    private readonly Lock guard = new();
    private readonly HashSet<object> silent = [];

    public void Silent(object who, string sentence)
    {
        bool isFirst, isNew;
        lock (guard)
        {
            isFirst = silent.Count == 0;
            isNew = silent.Add(who);
        }
        if (isFirst) log.LogWarning("the cluster cannot be heard: {Trouble}; what was heard before stays in force", sentence);
        else if (isNew) log.LogDebug("nor: {Trouble}", sentence);
    }

    public void Heard(object who)
    {
        bool isAll;
        lock (guard) isAll = silent.Remove(who) && silent.Count == 0;
        if (isAll) log.LogInformation("the cluster is heard again");
    }
}
