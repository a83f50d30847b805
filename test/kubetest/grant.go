package kubetest

import (
	"context"
	"fmt"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Grant lets user do what rules say, in all namespaces, and no longer what an
// earlier Grant said; without rules, nothing. It returns when kube-apiserver
// decides so, which is a moment after it has taken in the rules: what they say
// of resources was asked for, one by one.
func (s *Server) Grant(ctx context.Context, user string, rules ...rbacv1.PolicyRule) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	former, err := s.putRole(ctx, user, rules)
	if err != nil {
		return fmt.Errorf("granting to %s: %w", user, err)
	}
	wanted := make(map[access]bool)
	for _, a := range accesses(former) {
		wanted[a] = false
	}
	for _, a := range accesses(rules) {
		wanted[a] = true
	}
	for a, allowed := range wanted {
		if err := s.waitUntilDecided(ctx, user, a, allowed); err != nil {
			return err
		}
	}
	return nil
}

// putRole makes or replaces user's role, and returns its former rules.
func (s *Server) putRole(ctx context.Context, user string, rules []rbacv1.PolicyRule) ([]rbacv1.PolicyRule, error) {
	rbac, name := s.admin.RbacV1(), "test:"+user
	role, err := rbac.ClusterRoles().Get(ctx, name, metav1.GetOptions{})
	if err == nil {
		former := role.Rules
		role.Rules = rules
		_, err = rbac.ClusterRoles().Update(ctx, role, metav1.UpdateOptions{})
		return former, err
	}
	if !apierrors.IsNotFound(err) {
		return nil, err
	}
	role = &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: rules}
	if _, err := rbac.ClusterRoles().Create(ctx, role, metav1.CreateOptions{}); err != nil {
		return nil, err
	}
	_, err = rbac.ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	}, metav1.CreateOptions{})
	return nil, err
}

// access is one thing that a user may do.
type access struct{ verb, group, resource, name string }

// accesses are those that rules allow to resources.
func accesses(rules []rbacv1.PolicyRule) []access {
	var all []access
	for _, r := range rules {
		names := r.ResourceNames
		if len(names) == 0 {
			names = []string{""}
		}
		for _, verb := range r.Verbs {
			for _, group := range r.APIGroups {
				for _, resource := range r.Resources {
					for _, name := range names {
						all = append(all, access{verb, group, resource, name})
					}
				}
			}
		}
	}
	return all
}

func (s *Server) waitUntilDecided(ctx context.Context, user string, a access, allowed bool) error {
	question := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: user,
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Verb: a.verb, Group: a.group, Resource: a.resource, Name: a.name,
		},
	}}
	err := s.WaitUntil(ctx, func(ctx context.Context) error {
		answer, err := s.admin.AuthorizationV1().SubjectAccessReviews().Create(ctx, question, metav1.CreateOptions{})
		if err != nil {
			return err
		}
		if answer.Status.Allowed != allowed {
			return fmt.Errorf("%s %s is allowed to %s: %t, not yet %t", a.verb, a.resource, user, !allowed, allowed)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("waiting for the rules of %s to hold: %w", user, err)
	}
	return nil
}
