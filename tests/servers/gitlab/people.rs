//! The handles with which a test sets the scene and plays the people: projects, members, merge requests, pushes, words, clicks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Shared;
use super::git::{Bare, Edit};
use super::notes::{NewNote, Shape, Written};
use super::world::{
    Id, Life, Position, PositionKind, ProjectState, Refusal, RequestState, Role, Scope, Setting, Token, TokenState, Tried, User, World,
};

/// A project.
#[derive(Clone)]
pub(crate) struct Project {
    pub(super) shared: Arc<Shared>,
    pub(super) id: Id,
}

/// A user, person or bot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Person {
    /// Number on this instance.
    pub(crate) id: u64,
    /// Name without `@`.
    pub(crate) username: String,
}

/// A merge request.
#[derive(Clone)]
pub(crate) struct Mr {
    pub(super) shared: Arc<Shared>,
    pub(super) id: Id,
    /// Its number in its project.
    pub(crate) iid: u64,
}

/// A place in the newest diff that a person comments on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<'a> {
    /// A line that the change added.
    Added(&'a str, u64),
    /// A line that the change removed.
    Removed(&'a str, u64),
    /// A line that stayed: its number before and after.
    Kept(&'a str, u64, u64),
    /// The file as a whole.
    File(&'a str),
}

impl Project {
    pub(super) fn create(shared: &Arc<Shared>, path: &str) -> Self {
        let mut world = shared.world();
        let (id, at) = (world.fresh(), world.unix());
        let bare = Bare::init(shared.dir.path().join(format!("{id}.git")));
        let first = bare.commit(None, &Edit::from([("README.md", "# Demo\n")]), "First commit", at);
        bare.point("refs/heads/main", &first);
        Self::add(shared, &mut world, id, path, bare, None)
    }

    fn add(shared: &Arc<Shared>, world: &mut World, id: Id, path: &str, bare: Bare, forked_from: Option<Id>) -> Self {
        world.projects.push(ProjectState {
            id,
            path: path.to_owned(),
            bare,
            members: BTreeMap::new(),
            settings: BTreeSet::new(),
            forked_from,
            next_iid: 1,
            labels: BTreeMap::new(),
        });
        Self { shared: Arc::clone(shared), id }
    }

    /// Copies the project, with somebody as its owner.
    pub(crate) fn fork(&self, owner: &Person, path: &str) -> Self {
        let mut world = self.shared.world();
        let (id, from) = (world.fresh(), world.project(self.id).bare.clone());
        let bare = Bare::init(self.shared.dir.path().join(format!("{id}.git")));
        bare.fetch(&from, "refs/heads/main", "refs/heads/main");
        let fork = Self::add(&self.shared, &mut world, id, path, bare, Some(self.id));
        world.project_mut(id).members.insert(owner.id, Role::Owner);
        fork
    }

    /// Returns the number of the project.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Returns the repository, for a look or a deed that no method here has.
    pub(crate) fn bare(&self) -> Bare {
        self.shared.world().project(self.id).bare.clone()
    }

    /// Brings somebody in; who exists already gets this role here.
    pub(crate) fn member(&self, username: &str, role: Role) -> Person {
        self.join(username, role, false)
    }

    /// Brings a bot in, as a project access token makes one. Its token comes from [`Project::token`].
    pub(crate) fn bot(&self, username: &str, role: Role) -> Person {
        self.join(username, role, true)
    }

    fn join(&self, username: &str, role: Role, bot: bool) -> Person {
        let mut world = self.shared.world();
        let known = world.users.iter().find(|user| user.username == username).map(|user| user.id);
        let id = known.unwrap_or_else(|| world.fresh());
        if known.is_none() {
            world.users.push(User { id, username: username.to_owned(), bot });
        }
        world.project_mut(self.id).members.insert(id, role);
        Person { id, username: username.to_owned() }
    }

    /// Throws somebody out.
    pub(crate) fn leave(&self, person: &Person) {
        self.shared.world().project_mut(self.id).members.remove(&person.id);
    }

    /// Makes a token for somebody and returns its secret.
    pub(crate) fn token(&self, person: &Person, scope: Scope) -> String {
        let mut world = self.shared.world();
        let number = world.fresh();
        let secret = if scope == Scope::Job { format!("glcbt-64_fake{number}") } else { format!("glpat-fake{number}") };
        world.tokens.push(Token { secret: secret.clone(), user: person.id, scope, state: TokenState::Active });
        secret
    }

    fn set_token(&self, secret: &str, state: TokenState) {
        let mut world = self.shared.world();
        world.tokens.iter_mut().filter(|token| token.secret == secret).for_each(|token| token.state = state);
    }

    /// Lets a token expire.
    pub(crate) fn expire(&self, secret: &str) {
        self.set_token(secret, TokenState::Expired);
    }

    /// Revokes a token.
    pub(crate) fn revoke(&self, secret: &str) {
        self.set_token(secret, TokenState::Revoked);
    }

    /// Sets the project to something.
    pub(crate) fn set(&self, setting: Setting) -> &Self {
        self.shared.world().project_mut(self.id).settings.insert(setting);
        self
    }

    /// Commits to `main` and returns the commit.
    pub(crate) fn commit(&self, edit: impl Into<Edit>) -> String {
        self.commit_on("main", edit)
    }

    /// Commits to a branch, which begins at `main` if it is not there yet.
    pub(crate) fn commit_on(&self, branch: &str, edit: impl Into<Edit>) -> String {
        let mut world = self.shared.world();
        let (bare, name, at) = (world.project(self.id).bare.clone(), format!("refs/heads/{branch}"), world.unix());
        let parent = bare.resolve(&name).or_else(|| bare.resolve("refs/heads/main"));
        let commit = bare.commit(parent.as_deref(), &edit.into(), "Work", at);
        bare.point(&name, &commit);
        commit
    }

    /// Opens a merge request into `main` from a branch of its own that holds one commit.
    pub(crate) fn merge_request(&self, author: &Person, edit: impl Into<Edit>) -> Mr {
        let branch = format!("topic-{}", self.shared.world().project(self.id).next_iid);
        self.merge_request_on(author, &branch, edit)
    }

    /// Opens a merge request from a branch of this name.
    pub(crate) fn merge_request_on(&self, author: &Person, branch: &str, edit: impl Into<Edit>) -> Mr {
        self.commit_on(branch, edit);
        self.open(author, self.id, branch)
    }

    /// Opens a merge request from a fork.
    pub(crate) fn merge_request_from(&self, fork: &Self, author: &Person, edit: impl Into<Edit>) -> Mr {
        fork.commit_on("topic", edit);
        self.open(author, fork.id, "topic")
    }

    fn open(&self, author: &Person, source: Id, branch: &str) -> Mr {
        let mut world = self.shared.world();
        let (id, created) = (world.fresh(), world.tick());
        let project = world.project_mut(self.id);
        let (iid, bare) = (project.next_iid, project.bare.clone());
        project.next_iid += 1;
        let from = world.project(source).bare.clone();
        let head_ref = format!("refs/merge-requests/{iid}/head");
        let head = from.resolve(&format!("refs/heads/{branch}")).expect("the branch was made before");
        bare.fetch(&from, &head, &head_ref);
        let version = world.version(&bare, &head, "main");
        bare.point(&format!("refs/keep-around/{head}"), &head);
        world.requests.push(RequestState {
            id,
            iid,
            project: self.id,
            source_project: source,
            source_branch: branch.to_owned(),
            target_branch: "main".to_owned(),
            author: author.id,
            title: "A change".to_owned(),
            description: String::new(),
            life: Life::Opened,
            created,
            versions: vec![version],
            unprepared_for: 0,
            discussions: Vec::new(),
            drafts: Vec::new(),
            labels: Vec::new(),
            label_events: Vec::new(),
            approvals: Vec::new(),
            reviewers: Vec::new(),
            change_requests: Vec::new(),
            emoji: Vec::new(),
            statuses: Vec::new(),
        });
        Mr { shared: Arc::clone(&self.shared), id, iid }
    }
}

impl Mr {
    /// Plays a person; what GitLab would refuse is a mistake of the test.
    fn act<T>(&self, what: impl FnOnce(&mut World) -> Tried<T>) -> T {
        let tried = what(&mut self.shared.world());
        tried.unwrap_or_else(|Refusal { status, body }| panic!("the person may not do this: {status} {body}"))
    }

    /// Returns the project that it goes into.
    pub(crate) fn project(&self) -> Project {
        let id = self.shared.world().request(self.id).project;
        Project { shared: Arc::clone(&self.shared), id }
    }

    /// Returns the newest head.
    pub(crate) fn head(&self) -> String {
        self.shared.world().request(self.id).newest().head.clone()
    }

    /// Returns base, start and head of the newest version.
    pub(crate) fn refs(&self) -> [String; 3] {
        let world = self.shared.world();
        let version = world.request(self.id).newest();
        [version.base.clone(), version.start.clone(), version.head.clone()]
    }

    /// Sets title and description.
    pub(crate) fn entitle(&self, title: &str, description: &str) -> &Self {
        let mut world = self.shared.world();
        let state = world.request_mut(self.id);
        (state.title, state.description) = (title.to_owned(), description.to_owned());
        drop(world);
        self
    }

    /// Answers the next so many reads as if the diff were not made yet.
    pub(crate) fn unprepared(&self, reads: u64) -> &Self {
        self.shared.world().request_mut(self.id).unprepared_for = reads;
        self
    }

    fn arrive(&self, make: impl FnOnce(&mut World, &Bare) -> String) -> String {
        let mut world = self.shared.world();
        let bare = world.bare_of(self.id);
        let head = make(&mut world, &bare);
        world.move_branch(self.id, &head);
        let author = world.request(self.id).author;
        world.pushed(author, self.id, &head);
        head
    }

    /// Pushes one more commit and returns it.
    pub(crate) fn push(&self, edit: impl Into<Edit>) -> String {
        let (old, edit) = (self.head(), edit.into());
        self.arrive(|world, bare| bare.commit(Some(&old), &edit, "More work", world.unix()))
    }

    /// Replaces the newest commit and pushes by force.
    pub(crate) fn amend(&self, edit: impl Into<Edit>) -> String {
        let (old, edit) = (self.head(), edit.into());
        self.arrive(|world, bare| bare.commit(bare.resolve(&format!("{old}^")).as_deref(), &edit, "The work", world.unix()))
    }

    /// Puts the commits onto the tip of the target branch and pushes by force.
    pub(crate) fn rebase(&self) -> String {
        let [base, _, head] = self.refs();
        self.arrive(|world, bare| bare.rebase(&base, &head, &world.target_tip(self.id)))
    }

    /// Merges the target branch in.
    pub(crate) fn merge_target(&self) -> String {
        let head = self.head();
        self.arrive(|world, bare| bare.merge(&head, &world.target_tip(self.id), "Merge branch 'main'"))
    }

    /// Pushes any commit of the repository by force, e.g. an older head.
    pub(crate) fn force(&self, commit: &str) {
        self.arrive(|_, _| commit.to_owned());
    }

    /// Goes into another branch from now on.
    pub(crate) fn retarget(&self, branch: &str) {
        branch.clone_into(&mut self.shared.world().request_mut(self.id).target_branch);
        let head = self.head();
        self.arrive(|_, _| head);
    }

    fn write(&self, person: &Person, new: NewNote) -> (String, Id) {
        self.act(|world| match world.write(person.id, self.id, new)? {
            Written::Stored { discussion, note } => Ok((discussion, note)),
            Written::OnlyCommands(lines) => panic!("only quick actions: {lines:?}"),
        })
    }

    /// Comments on the merge request and returns the note.
    pub(crate) fn say(&self, person: &Person, body: &str) -> u64 {
        self.write(person, NewNote::plain(body, Shape::Individual)).1
    }

    /// Comments so that outsiders do not see it.
    pub(crate) fn whisper(&self, person: &Person, body: &str) -> u64 {
        self.write(person, NewNote { internal: true, ..NewNote::plain(body, Shape::Individual) }).1
    }

    /// Opens a thread on the overview and returns it.
    pub(crate) fn discuss(&self, person: &Person, body: &str) -> String {
        self.write(person, NewNote::plain(body, Shape::Thread)).0
    }

    /// Opens a thread in the newest diff and returns it.
    pub(crate) fn comment(&self, person: &Person, place: Place<'_>, body: &str) -> String {
        let [base, start, head] = self.refs();
        let (path, kind, old_line, new_line) = match place {
            Place::Added(path, line) => (path, PositionKind::Text, None, Some(line)),
            Place::Removed(path, line) => (path, PositionKind::Text, Some(line), None),
            Place::Kept(path, old, new) => (path, PositionKind::Text, Some(old), Some(new)),
            Place::File(path) => (path, PositionKind::File, None, None),
        };
        let files = self.shared.world().request(self.id).newest().files.clone();
        let file = files.iter().find(|file| file.new_path == path || file.old_path == path).expect("the file is in the diff");
        let (old_path, new_path) = (file.old_path.clone(), file.new_path.clone());
        let line_range = serde_json::Value::Null;
        let position = Position { base, start, head, kind, old_path, new_path, old_line, new_line, line_range };
        self.write(person, NewNote { position: Some(position), ..NewNote::plain(body, Shape::Thread) }).0
    }

    /// Replies in a thread and returns the note.
    pub(crate) fn reply(&self, person: &Person, thread: &str, body: &str) -> u64 {
        self.write(person, NewNote::plain(body, Shape::Reply(thread.to_owned()))).1
    }

    /// Changes a note.
    pub(crate) fn edit(&self, person: &Person, note: u64, body: &str) {
        self.act(|world| world.edit(person.id, self.id, note, body));
    }

    /// Deletes a note.
    pub(crate) fn delete(&self, person: &Person, note: u64) {
        self.act(|world| world.delete(person.id, self.id, note));
    }

    /// Resolves a thread.
    pub(crate) fn resolve(&self, person: &Person, thread: &str) {
        self.act(|world| world.resolve(person.id, self.id, thread, true));
    }

    /// Opens a thread again.
    pub(crate) fn unresolve(&self, person: &Person, thread: &str) {
        self.act(|world| world.resolve(person.id, self.id, thread, false));
    }

    /// Reacts to a note, e.g. with `thumbsdown`.
    pub(crate) fn react(&self, person: &Person, note: u64, emoji: &str) {
        self.act(|world| world.react(person.id, self.id, Some(note), emoji));
    }

    /// Applies the first suggestion of a thread, as a commit on the source branch.
    pub(crate) fn apply_suggestion(&self, person: &Person, thread: &str) {
        self.act(|world| {
            let notes = &world.request(self.id).discussion(thread).expect("the thread is there").notes;
            let id = notes.iter().flat_map(|note| &note.suggestions).next().expect("the thread has a suggestion").id;
            world.apply_suggestion(person.id, id)
        });
    }

    /// Sets a label.
    pub(crate) fn label(&self, person: &Person, label: &str) {
        self.act(|world| world.label(person.id, self.id, &[label.to_owned()], &[]));
    }

    /// Takes a label off.
    pub(crate) fn unlabel(&self, person: &Person, label: &str) {
        self.act(|world| world.label(person.id, self.id, &[], &[label.to_owned()]));
    }

    /// Approves.
    pub(crate) fn approve(&self, person: &Person) {
        self.act(|world| world.approve(person.id, self.id, None));
    }

    /// Asks people to review, in place of those that were asked before.
    pub(crate) fn ask(&self, person: &Person, reviewers: &[&Person]) {
        let ids: Vec<Id> = reviewers.iter().map(|reviewer| reviewer.id).collect();
        self.act(|world| world.set_reviewers(person.id, self.id, &ids));
    }

    /// Closes it.
    pub(crate) fn close(&self, person: &Person) {
        self.act(|world| world.live(person.id, self.id, Life::Closed));
    }

    /// Merges it, as far as its state goes: no branch moves.
    pub(crate) fn merge(&self, person: &Person) {
        self.act(|world| world.live(person.id, self.id, Life::Merged));
    }

    /// Adds a note that GitLab filters out of every answer after it cut the page.
    pub(crate) fn hidden_note(&self) {
        let mut world = self.shared.world();
        let author = world.request(self.id).author;
        let note = world.system_note(author, self.id, "mentioned in a confidential issue", None);
        world.request_mut(self.id).note_mut(note).expect("it was just written").hidden = true;
    }

    /// Returns who approves it now.
    pub(crate) fn approvers(&self) -> Vec<String> {
        let world = self.shared.world();
        world.request(self.id).approvals.iter().map(|(id, _)| world.user(*id).username.clone()).collect()
    }

    /// Returns who requests changes now.
    pub(crate) fn change_requesters(&self) -> Vec<String> {
        let world = self.shared.world();
        world.request(self.id).change_requests.iter().map(|id| world.user(*id).username.clone()).collect()
    }

    /// Returns how many drafts nobody has published.
    pub(crate) fn drafts(&self) -> usize {
        self.shared.world().request(self.id).drafts.len()
    }
}

impl World {
    /// Returns the tip of the branch that a merge request goes into.
    pub(super) fn target_tip(&self, request: Id) -> String {
        let state = self.request(request);
        let branch = format!("refs/heads/{}", state.target_branch);
        self.project(state.project).bare.resolve(&branch).expect("the target branch is there")
    }
}
