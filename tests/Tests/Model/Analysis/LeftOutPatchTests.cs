using Mesh.Model.Analysis;

namespace Mesh.Tests.Model.Analysis;

public sealed class LeftOutPatchTests
{
    [Fact]
    public void A_patch_that_this_mesh_does_not_know_is_told_by_field_and_line_and_one_that_it_knows_is_not()
    {
        var resources = new ResourceSet();
        Assert.Empty(new ResourceReader(resources, "default").Read("""
            apiVersion: networking.istio.io/v1alpha3
            kind: EnvoyFilter
            metadata: {name: patch, namespace: shop}
            spec:
              configPatches:
              - applyTo: HTTP_FILTER
                patch:
                  operation: INSERT_FIRST
                  value: {name: x, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.adaptive_concurrency.v3.AdaptiveConcurrency}}
              - applyTo: CLUSTER
                patch: {operation: MERGE, value: {connect_timeout: 2s}}
            """, "patch.yaml"));

        var told = Assert.Single(Analyst.Analyze(resources, TimeProvider.System, new()), message => message.Type.Code == "MESH0001");
        Assert.Equal("The patch spec.configPatches[0].patch.value of the EnvoyFilter is left out: is not supported: Type registry has no descriptor for type name 'envoy.extensions.filters.http.adaptive_concurrency.v3.AdaptiveConcurrency'", told.Text);
        Assert.Equal(9, told.Line);
    }
}
