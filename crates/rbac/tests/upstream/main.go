// SPDX-License-Identifier: Apache-2.0

// Writes what upstream's own evaluator says about each shipped role: table.tsv, and covers.tsv for
// escalation. Run after a change of ../../policy:
//
//	cd crates/rbac/tests/upstream && go run . ../../policy/kubernetes.json ../../policy/openshift.json
//
// table.tsv: role, verbs, and the resources (group/resource or group/resource/subresource, with
// "=name" if one object is meant) or paths for which exactly these verbs are allowed. Whatever is
// asked (the lines that begin with "#ask") and not listed is refused.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"sort"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/component-helpers/auth/rbac/validation"
	rules "k8s.io/kubernetes/pkg/registry/rbac/validation"
	"k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type object struct {
	Kind            string
	Metadata        metav1.ObjectMeta
	AggregationRule *rbacv1.AggregationRule
	Rules           []rbacv1.PolicyRule
}

func main() {
	var all []object
	for _, path := range os.Args[1:] {
		data, err := os.ReadFile(path)
		check(err)
		var some []object
		check(json.Unmarshal(data, &some))
		for _, one := range some {
			if one.Kind == "ClusterRole" || one.Kind == "Role" {
				all = append(all, one)
			}
		}
	}
	sort.Slice(all, func(i, j int) bool { return id(all[i]) < id(all[j]) })
	for round := 0; round < 5; round++ {
		for i := range all {
			if all[i].AggregationRule != nil {
				all[i].Rules = gather(all, i)
			}
		}
	}

	asked := map[string]bool{"/example.org/widgets": true, "//pods/unheard-of": true, "//imagestreams/layers=app": true}
	paths := map[string]bool{"/": true, "/secret": true, "/api/v1": true, "/metricsx": true}
	verbs := map[string]bool{"unheard-of": true}
	for _, one := range all {
		for _, rule := range one.Rules {
			for _, verb := range rule.Verbs {
				verbs[verb] = true
			}
			for _, url := range rule.NonResourceURLs {
				paths[strings.TrimRight(url, "*")+"x"] = true
				paths[url] = true
			}
			for _, group := range rule.APIGroups {
				for _, resource := range rule.Resources {
					asked["/"+group+"/"+resource] = true
					for _, name := range rule.ResourceNames {
						asked["/"+group+"/"+resource+"="+name] = true
					}
				}
			}
		}
	}
	delete(verbs, "*")

	out, err := os.Create("table.tsv")
	check(err)
	defer out.Close()
	fmt.Fprintf(out, "# Made by main.go with upstream's evaluator.\n#verbs\t%s\n", strings.Join(keys(verbs), " "))
	for _, one := range keys(asked) {
		fmt.Fprintf(out, "#ask\t%s\n", one[1:])
	}
	for _, one := range keys(paths) {
		fmt.Fprintf(out, "#path\t%s\n", one)
	}
	who := &user.DefaultInfo{Name: "u", Groups: []string{"g"}}
	for _, one := range all {
		static := evaluator(one)
		allowed := map[string][]string{}
		for _, target := range append(keys(asked), keys(paths)...) {
			var yes []string
			for _, verb := range keys(verbs) {
				ask := authorizer.AttributesRecord{User: who, Verb: verb, Path: target, Namespace: one.Metadata.Namespace}
				if asked[target] {
					whole, name, _ := strings.Cut(target[1:], "=")
					group, resource, _ := strings.Cut(whole, "/")
					resource, subresource, _ := strings.Cut(resource, "/")
					ask = authorizer.AttributesRecord{User: who, Verb: verb, APIGroup: group, Resource: resource,
						Subresource: subresource, Name: name, Namespace: one.Metadata.Namespace, ResourceRequest: true}
				}
				decision, _, err := static.Authorize(context.Background(), ask)
				check(err)
				if decision == authorizer.DecisionAllow {
					yes = append(yes, verb)
				}
			}
			if len(yes) > 0 {
				if asked[target] {
					target = target[1:]
				} else {
					target = "path:" + target
				}
				list := strings.Join(yes, " ")
				if len(yes) == len(verbs) {
					list = "*"
				}
				allowed[list] = append(allowed[list], target)
			}
		}
		var lists []string
		for list := range allowed {
			lists = append(lists, list)
		}
		sort.Strings(lists)
		for _, list := range lists {
			targets := strings.Join(allowed[list], " ")
			if len(allowed[list]) == len(asked)+len(paths) {
				targets = "everything"
			}
			fmt.Fprintf(out, "%s\t%s\t%s\n", id(one), list, targets)
		}
	}

	cover, err := os.Create("covers.tsv")
	check(err)
	defer cover.Close()
	fmt.Fprintln(cover, "# Made by main.go: who has the first role may hand out the others, and no more.")
	for _, owner := range all {
		var names []string
		for _, wanted := range all {
			if ok, _ := validation.Covers(owner.Rules, wanted.Rules); ok {
				names = append(names, id(wanted))
			}
		}
		fmt.Fprintf(cover, "%s\t%s\n", id(owner), strings.Join(names, " "))
	}
}

func id(one object) string {
	if one.Kind == "Role" {
		return "role/" + one.Metadata.Namespace + "/" + one.Metadata.Name
	}
	return one.Metadata.Name
}

func keys(set map[string]bool) []string {
	var list []string
	for key := range set {
		list = append(list, key)
	}
	sort.Strings(list)
	return list
}

func gather(all []object, place int) []rbacv1.PolicyRule {
	var result []rbacv1.PolicyRule
	for _, selector := range all[place].AggregationRule.ClusterRoleSelectors {
		compiled, err := metav1.LabelSelectorAsSelector(&selector)
		check(err)
		for i, other := range all {
			if i == place || other.Kind != "ClusterRole" || !compiled.Matches(labels.Set(other.Metadata.Labels)) {
				continue
			}
		next:
			for _, rule := range other.Rules {
				for _, have := range result {
					if reflect.DeepEqual(have, rule) {
						continue next
					}
				}
				result = append(result, rule)
			}
		}
	}
	return result
}

func evaluator(one object) *rbac.RBACAuthorizer {
	subjects := []rbacv1.Subject{{Kind: "Group", APIGroup: rbacv1.GroupName, Name: "g"}}
	ref := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: one.Kind, Name: one.Metadata.Name}
	meta := metav1.ObjectMeta{Name: "b", Namespace: one.Metadata.Namespace}
	var static *rules.StaticRoles
	if one.Kind == "Role" {
		_, static = rules.NewTestRuleResolver(
			[]*rbacv1.Role{{ObjectMeta: one.Metadata, Rules: one.Rules}},
			[]*rbacv1.RoleBinding{{ObjectMeta: meta, RoleRef: ref, Subjects: subjects}}, nil, nil)
	} else {
		_, static = rules.NewTestRuleResolver(nil, nil,
			[]*rbacv1.ClusterRole{{ObjectMeta: one.Metadata, Rules: one.Rules}},
			[]*rbacv1.ClusterRoleBinding{{ObjectMeta: meta, RoleRef: ref, Subjects: subjects}})
	}
	return rbac.New(static, static, static, static)
}
