use cedar_policy_core::ast::{Eid, EntityType, EntityUID};
use smol_str::SmolStr;

macro_rules! types {
    ($($kind:ident $field:ident $name:literal),+ $(,)?) => {
        /// The entity types of the schema that requests are made of.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Type {
            $($kind),+
        }

        /// Their names, parsed once.
        #[derive(Clone, Debug)]
        pub(crate) struct Types {
            $($field: EntityType),+
        }

        impl Type {
            /// Every one, in its place.
            pub(crate) const ALL: [Self; [$($name),+].len()] = [$(Self::$kind),+];

            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name),+
                }
            }
        }

        impl Types {
            pub(crate) fn new() -> Result<Self, String> {
                Ok(Self {
                    $($field: EntityType::from_normalized_str($name).map_err(|error| error.to_string())?),+
                })
            }

            fn parsed(&self, kind: Type) -> &EntityType {
                match kind {
                    $(Type::$kind => &self.$field),+
                }
            }
        }
    };
}

types! {
    User user "k8s::User",
    Group group "k8s::Group",
    ServiceAccount service_account "k8s::ServiceAccount",
    Node node "k8s::Node",
    Namespace namespace "k8s::Namespace",
    Selection selection "k8s::Selection",
    Resource resource "k8s::Resource",
    NonResourceUrl non_resource_url "k8s::NonResourceURL",
    PrincipalUid principal_uid "k8s::PrincipalUID",
    Extra extra "k8s::Extra",
    Object object "k8s::Object",
    Action action "k8s::Action",
    AppGroup app_group "app::Group",
    AppSubject app_subject "app::Subject",
    AppResource app_resource "app::Resource",
    AppProperties app_properties "app::Properties",
    AppAction app_action "app::Action",
}

impl Types {
    /// An entity of one of them.
    pub(crate) fn uid(&self, kind: Type, id: &str) -> EntityUID {
        EntityUID::from_components(self.parsed(kind).clone(), Eid::new(SmolStr::new(id)), None)
    }
}
